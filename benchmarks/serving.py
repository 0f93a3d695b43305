"""How fast does a server answer, at 1, 8 and 64 clients, and do its answers depend on the company?

    python benchmarks/serving.py runs/demo/multiple_choice
    python benchmarks/serving.py RUN --peer sysone=http://127.0.0.1:8001 --model-of sysone=NAME

Starts `mcqa serve RUN`, as it comes and with --batch-invariant, and asks it and the peers that run
already the same bundled questions over `/v1/systemone`, one a request: each client asks as soon as
it has its answer. A level ends after so many requests or seconds. Only this machine is asked.

Prints p50, p95 and p99 of the seconds from request to answer, requests (which are questions) a
second, and by how much the probabilities differ from those that a single client gets.
"""

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import numpy as np

from mcqa.data import load_questions
from mcqa.system.hardware import describe_hardware

LOOPBACK = ("127.0.0.1", "localhost", "::1")
STATE = "A question of general knowledge."


def main() -> None:
    """Ask every server at every level, one server after the other."""
    options = parse()
    bodies = request_bodies(options.questions)
    print(f"{len(bodies)} bundled questions, one a request; {describe_hardware()}")
    for name, extra in (("mcqa", []), ("mcqa --batch-invariant", ["--batch-invariant"])):
        server, url = start(options.run, extra)
        try:
            report(name, url, None, bodies, options)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    models = dict(pair.split("=", 1) for pair in options.model_of)
    for peer in options.peer:
        name, _, url = peer.partition("=")
        report(name, url, models.get(name), bodies, options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=URL")
    parser.add_argument("--model-of", action="append", default=[], metavar="NAME=MODEL")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--questions", type=int, default=128)
    parser.add_argument("--requests", type=int, default=512, help="a level, at most")
    parser.add_argument("--seconds", type=float, default=10, help="a level, at most")
    return parser.parse_args()


def request_bodies(count: int) -> list[dict]:
    """Return requests of one bundled question each, whose options differ."""
    bodies = []
    for question in load_questions("bundled", split="test"):
        if len(set(question.options)) == len(question.options):
            criteria = dict.fromkeys(question.options)
            asked = {"type": "choice", "instructions": question.stem, "criteria": criteria}
            bodies.append({"state": STATE, "questions": {"q": asked}})
    return bodies[:count]


def start(run: str, extra: list[str]) -> tuple[subprocess.Popen, str]:
    """Start `mcqa serve` on a free port and return it with its address."""
    command = [sys.executable, "-m", "mcqa", "serve", run, "--port", "0", *extra]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    said = []
    for line in server.stderr:
        said.append(line)
        if found := re.search(r"on (http://\S+)", line):
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return server, found[1]
    raise SystemExit("".join(said))


def report(name: str, url: str, model: str | None, bodies: list[dict], options) -> None:
    if urlsplit(url).hostname not in LOOPBACK:
        raise SystemExit(f"{url}: only this machine is asked.")
    bodies = [body | ({"model": model} if model else {}) for body in bodies]
    level(url, bodies[:8], 1, 8, 30)  # the first answers pay for what is made once
    alone = {}
    for clients in options.clients:
        seconds, took, answers, errors = level(
            url, bodies, clients, options.requests, options.seconds
        )
        alone = alone or answers
        differ = [np.abs(np.subtract(answers[n], alone[n])).max() for n in answers if n in alone]
        p50, p95, p99 = 1000 * np.percentile(seconds, (50, 95, 99))
        print(
            f"{name:24} {clients:3} clients: p50 {p50:7.1f} p95 {p95:7.1f} p99 {p99:7.1f} ms, "
            f"{len(seconds) / took:6.1f} questions/s, n = {len(seconds)}, errors {errors}, "
            f"largest difference {max(differ):.2g}",
            flush=True,
        )


def level(url: str, bodies: list[dict], clients: int, requests: int, seconds: float):
    """Return each answer's seconds, how long all took, probabilities by question, and errors."""
    place, ends = urlsplit(url), time.perf_counter() + seconds
    lock, taken, times, answers, errors = threading.Lock(), iter(range(requests)), [], {}, [0]

    def ask() -> None:
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=120)
        while time.perf_counter() < ends:
            with lock:
                number = next(taken, None)
            if number is None:
                break
            number %= len(bodies)
            started = time.perf_counter()
            content = {"content-type": "application/json"}
            connection.request("POST", "/v1/systemone", json.dumps(bodies[number]), content)
            response = connection.getresponse()
            body = json.loads(response.read())
            took = time.perf_counter() - started
            with lock:
                if response.status != 200:
                    errors[0] += 1
                else:
                    times.append(took)
                    own = body["answers"]["q"]["probabilities"]
                    answers[number] = [
                        own[label] for label in bodies[number]["questions"]["q"]["criteria"]
                    ]
        connection.close()

    began = time.perf_counter()
    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, time.perf_counter() - began, answers, errors[0]


if __name__ == "__main__":
    main()
