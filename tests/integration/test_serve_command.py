"""`mcqa serve` as a process: what it says, how it is killed, and how it ends."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import mcqa

CLIENTS, EACH = 50, 10
ASKED = {"q": {"type": "choice", "instructions": "Which is a fruit?", "criteria": None}}


@pytest.fixture(scope="module")
def launch(root, runs):
    """Start a server on a port, wait until it is ready, and return it with its port."""
    started = []

    def start(port=0, **environment):
        command = ["-m", "mcqa", "serve", str(runs["multiple-choice"]), "--port", str(port)]
        server = subprocess.Popen(
            [sys.executable, *command, "--device", "cpu"],
            env=os.environ | {"PYTHONPATH": str(root)} | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(server)
        said = []
        for line in server.stderr:
            said.append(line)
            if found := re.search(r"on http://127\.0\.0\.1:(\d+)", line):
                threading.Thread(target=server.stderr.read, daemon=True).start()
                return server, int(found[1])
        raise AssertionError("".join(said))

    yield start
    for server in started:
        server.kill()
        server.wait()


def body(number):
    criteria = {"pear": None, f"saw {number}": None}
    return {"state": f"Table {number}.", "questions": {"q": ASKED["q"] | {"criteria": criteria}}}


def ask(client, number):
    """Return the probabilities of request `number`; an httpx error where there are none."""
    answer = client.post("/v1/systemone", json=body(number))
    assert answer.status_code in (200, 429, 503), answer.text
    answer.raise_for_status()
    return tuple(answer.json()["answers"]["q"]["probabilities"].values())


def test_no_answer_is_wrong_while_the_server_is_killed_and_restarted(launch, runs):
    server, port = launch()
    answered, errors, again = {}, [], threading.Event()

    def client(first):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as own:
            for number in range(first, CLIENTS * EACH, CLIENTS):
                for _ in range(200):
                    try:
                        answered.setdefault(number, set()).add(ask(own, number))
                        break
                    except httpx.HTTPError as error:
                        errors.append((number, type(error).__name__))
                        again.wait(30)
                        time.sleep(random.random() / 20)

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(client, first) for first in range(CLIENTS)]
        while len(answered) < CLIENTS * 2:
            time.sleep(0.001)
        server.kill()
        server.wait()
        before = len(answered)
        server, _ = launch(port)
        again.set()
        for one in asking:
            one.result(120)

    assert before < CLIENTS * EACH == len(answered)
    assert errors
    scorer = mcqa.load_scorer(str(runs["multiple-choice"]), device="cpu")
    questions = [
        mcqa.Question(stem="Which is a fruit?", options=("pear", f"saw {n}"), context=f"Table {n}.")
        for n in range(CLIENTS * EACH)
    ]
    for number, prediction in enumerate(scorer.score_many(questions)):
        for given in answered[number]:
            assert given == pytest.approx(scorer.calibrated(prediction).probabilities, abs=1e-5)

    url = f"http://127.0.0.1:{port}"  # told to stop, it answers what it has taken
    with ThreadPoolExecutor(8) as pool, httpx.Client(base_url=url, timeout=30) as client:
        ask(client, 0)
        late = [pool.submit(client.post, "/v1/systemone", json=body(n)) for n in range(8)]
        while not any(one.done() for one in late):
            time.sleep(0.001)
        server.send_signal(signal.SIGTERM)
        for one in late:
            if one.exception() is None:
                assert one.result().status_code == 200
    assert server.wait(30) == 0


def test_options_may_stand_in_a_file(refused, runs, tmp_path):
    settings = tmp_path / "serve.yaml"
    settings.write_text("abstain: 2\n")
    assert "2.0 is not in the range" in refused("serve", runs["generative"], "--config", settings)


@pytest.fixture
def served(command, runs, monkeypatch):
    """Run the command up to where it would serve; return the `App`, and who loaded the model."""
    apps, loaded = [], []
    load = mcqa.load_scorer

    def load_scorer(*arguments, **settings):
        loaded.append(threading.current_thread())
        return load(*arguments, **settings)

    def run(*flags):
        result = command("serve", runs["multiple-choice"], "--port", 0, "--device", "cpu", *flags)
        assert result.code == 0, result.err
        return apps[-1], loaded[-1]

    monkeypatch.setattr("mcqa.serving.serve.serve", lambda app, *rest: apps.append(app))
    monkeypatch.setattr("mcqa.scoring.loading.load_scorer", load_scorer)
    return run


@pytest.mark.parametrize(("flags", "kept"), [([], True), (["--save-memory"], False)])
def test_four_bit_weights_are_unpacked_once(served, flags, kept):
    app, _ = served("--quantization", "nf4", *flags)
    layers = [m for m in app.hosted[0].scorer.model.modules() if hasattr(m, "kept")]
    assert layers
    assert all((layer.kept is not None) == kept for layer in layers)


def test_who_loads_the_model_leaves_no_idle_openmp_threads(served):
    """Beside those, the threads that compute would not spin, and sleep at every operation."""
    _, thread = served()
    assert thread is not threading.main_thread()
    assert not thread.is_alive()
