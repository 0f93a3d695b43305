"""How fast does a server answer, at 1, 8 and 64 clients, beside other servers?

    python benchmarks/serving.py runs/head
    python benchmarks/serving.py runs/head --flags=--batch-invariant --flags="--quantization none" \
        --peer "sysone=sysone serve FOLDER --port {port}"

Starts `mcqa serve RUN`, as it comes and with each of --flags, then each peer by its own command,
one after the other, and ends each. All are asked the same bundled questions over `/v1/systemone`:
a client asks as soon as it has its answer, and a level ends after so many requests or seconds.

Prints a row a level: p50, p95 and p99 of the milliseconds from request to answer, requests and
questions a second, errors, and by how much a probability differs at most from what a single client
of the same server gets.
"""

import argparse
import http.client
import json
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from mcqa.data import load_questions
from mcqa.system import openmp
from mcqa.system.hardware import describe_hardware

STATE = "A question of general knowledge."
HEAD = (
    "| server | clients | p50 ms | p95 | p99 | requests/s | questions/s | n | errors | differ by |"
)


def main() -> None:
    """Ask every server at every level, one server after the other."""
    options = parse()
    openmp.take_back()  # what importing mcqa set is not for the peers
    own = shlex.join([sys.executable, "-m", "mcqa", "serve", options.run, "--port", "{port}"])
    servers = {f"mcqa {flags}".strip(): f"{own} {flags}" for flags in ("", *options.flags)}
    servers |= dict(peer.split("=", 1) for peer in options.peer)
    bodies = request_bodies(options.questions, options.per_request)
    print(f"{options.questions} questions, {options.per_request} a request; {describe_hardware()}")
    print(f"{HEAD}\n{'|---' * (HEAD.count('|') - 1)}|", flush=True)
    for name, command in servers.items():
        if options.only and name not in options.only:
            continue
        with running(command) as port:
            level(port, bodies[:8], 1, 8, 60)  # the first answers pay for what is made once
            alone = {}
            for clients in options.clients:
                found = level(port, bodies, clients, options.requests, options.seconds)
                alone = alone or found["answers"]
                print(row(name, clients, alone, options.per_request, **found), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--flags", action="append", default=[], help="of another mcqa serve RUN")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--only", action="append", metavar="NAME", help="of the servers; repeat it")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--questions", type=int, default=128, help="different ones")
    parser.add_argument("--per-request", type=int, default=1, help="questions of one state")
    parser.add_argument("--requests", type=int, default=512, help="a level, at most")
    parser.add_argument("--seconds", type=float, default=20, help="a level, at most")
    return parser.parse_args()


def request_bodies(count: int, per_request: int) -> list[dict]:
    """Return requests about bundled questions, whose options differ."""
    asked = []
    for question in load_questions("bundled", split="test"):
        if len(set(question.options)) == len(question.options):
            criteria = dict.fromkeys(question.options)
            own = {"type": "choice", "instructions": question.stem, "criteria": criteria}
            asked.append(own)
    return [
        {
            "state": STATE,
            "questions": {str(n): own for n, own in enumerate(asked[at:][:per_request])},
        }
        for at in range(0, min(count, len(asked)), per_request)
    ]


@contextmanager
def running(command: str) -> Iterator[int]:
    """Start a server on a free port of this machine, yield the port, and end the server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryFile("w+") as said:
        server = subprocess.Popen(
            shlex.split(command.format(port=port)), stdout=said, stderr=subprocess.STDOUT
        )
        try:
            wait_for(server, port, said)
            yield port
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_for(server: subprocess.Popen, port: int, said) -> None:
    """Return when a server takes connections; what it said where it ended instead."""
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.2)
    said.seek(0)
    raise SystemExit(said.read())


def level(port: int, bodies: list[dict], clients: int, requests: int, seconds: float) -> dict:
    """Return each answer's seconds, how long all took, probabilities by request, and errors."""
    ends, lock, taken = time.perf_counter() + seconds, threading.Lock(), iter(range(requests))
    times, answers, errors = [], {}, []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while time.perf_counter() < ends:
            with lock:
                number = next(taken, None)
            if number is None:
                break
            number %= len(bodies)
            content, started = {"content-type": "application/json"}, time.perf_counter()
            connection.request("POST", "/v1/systemone", json.dumps(bodies[number]), content)
            response = connection.getresponse()
            body = json.loads(response.read())
            took = time.perf_counter() - started
            if response.status == 200:
                times.append(took)
                answers[number] = probabilities(body["answers"], bodies[number]["questions"])
            else:
                errors.append(body)
        connection.close()

    began = time.perf_counter()
    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    return {"times": times, "took": took, "answers": answers, "errors": errors}


def probabilities(answers: dict, asked: dict) -> np.ndarray:
    """Return a request's probabilities, in the order of its questions and their options."""
    return np.array(
        [
            answers[name]["probabilities"][label]
            for name in asked
            for label in asked[name]["criteria"]
        ]
    )


def row(name, clients, alone, per_request, *, times, took, answers, errors) -> str:
    """Return what a level found as a line of a table."""
    if not times:
        raise SystemExit(f"{name}: no answer; the first error: {errors[:1]}")
    speed = len(times) / took
    both = answers.keys() & alone.keys()
    differ = max(np.abs(answers[number] - alone[number]).max() for number in both)
    cells = [name, clients]
    cells += [f"{1000 * value:.1f}" for value in np.percentile(times, (50, 95, 99))]
    cells += [
        f"{speed:.1f}",
        f"{speed * per_request:.1f}",
        len(times),
        len(errors),
        f"{differ:.2g}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
