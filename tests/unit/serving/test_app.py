"""One server over HTTP: what it answers, to whom, and that nobody else shows in it."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from served import Stopped, serving

from mcqa.serving.limits import Limits

ASKED = {
    "fruit": {
        "type": "choice",
        "instructions": "Which of these is a fruit?",
        "criteria": {"pear": None, "hammer": "a tool"},
    },
    "edible": {"type": "noul", "instructions": "Can one eat it?"},
}
STATE = "Two friends sort what lies on the table."
BODY = {"model": "tiny", "state": STATE, "questions": ASKED}


@pytest.fixture(scope="module")
def server(tiny_hosted):
    with serving([tiny_hosted], abstain=0.9) as served:
        yield served


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def ask(client, body=BODY):
    answer = client.post("/v1/systemone", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_answer_is_that_of_the_scorer_over_its_temperature(client, tiny_scorer, fruit):
    answer = ask(client)["answers"]["fruit"]
    expected = tiny_scorer.score(fruit).calibrated(2.0)
    assert list(answer["probabilities"].values()) == pytest.approx(expected.probabilities, abs=1e-6)
    assert answer["choice"] == ("pear", "hammer")[expected.choice]
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["abstained"] == (answer["confidence"] < 0.9)


def test_a_batch_invariant_answer_is_the_scorers_to_the_last_bit(tiny_hosted, tiny_scorer, fruit):
    expected = tiny_scorer.score(fruit).calibrated(2.0).probabilities
    with serving([tiny_hosted], invariant=True, wait=0.05) as served, ThreadPoolExecutor(8) as pool:
        bodies = [BODY | {"state": STATE + " Again." * n} for n in range(7)] + [BODY]
        with httpx.Client(base_url=served.url, timeout=20) as client:
            answers = list(pool.map(lambda body: ask(client, body), bodies))
    assert tuple(answers[-1]["answers"]["fruit"]["probabilities"].values()) == expected


def test_many_at_once_get_what_each_gets_alone(client):
    bodies = [BODY | {"state": f"{STATE} {n} of them."} for n in range(24)]
    alone = [ask(client, body) for body in bodies]
    with ThreadPoolExecutor(24) as pool:
        together = list(pool.map(lambda body: ask(client, body), bodies))
    for one, other in zip(alone, together, strict=True):
        own, shared = (a["answers"]["fruit"]["probabilities"] for a in (one, other))
        assert list(own.values()) == pytest.approx(list(shared.values()), abs=1e-5)
    page = client.get("/metrics").text
    assert 'mcqa_requests_total{path="/v1/systemone",status="200"}' in page
    assert "mcqa_batch_questions_count" in page


def test_models_are_listed_for_the_clients_of_both_formats(client, tiny_hosted):
    listed = client.get("/v1/models").json()
    assert listed["models"][0]["name"] == listed["data"][0]["id"] == "tiny"
    assert listed["data"][0]["checksum"] == f"sha256:{tiny_hosted.checksum}"
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"ready": True}
    page = client.get("/openapi.json").json()
    schema = page["paths"]["/v1/systemone"]["post"]["requestBody"]["content"]
    assert schema["application/json"]["schema"]["required"] == ["state", "questions"]
    assert client.get("/docs").status_code == 200


def test_ids_are_kept_and_texts_are_not_logged(client, server, caplog):
    with caplog.at_level(logging.INFO, "mcqa.serving"):
        answer = client.post("/v1/systemone", json=BODY, headers={"x-request-id": "mine-7"})
        client.post("/v1/systemone", json=BODY | {"state": {"secret": 5}, "questions": {"q": 1}})
    assert answer.headers["x-request-id"] == "mine-7"
    assert "mine-7 /v1/systemone 200" in caplog.text
    assert "friends" not in caplog.text
    assert "fruit?" not in caplog.text
    assert "secret" not in caplog.text
    server.app.log_texts = True
    with caplog.at_level(logging.INFO, "mcqa.serving"):
        ask(client)
    server.app.log_texts = False
    assert "friends" in caplog.text


def test_cut_questions_are_answered_and_counted(tiny_hosted):
    with serving([tiny_hosted], cut=True) as served:
        answer = httpx.post(served.url + "/v1/systemone", json=BODY | {"state": STATE * 30})
    assert answer.json()["mcqa"]["truncated_tokens"] > 0


def test_of_two_models_the_request_says_which(tiny_hosted):
    other = replace(tiny_hosted, name="runs/other")
    with serving([tiny_hosted, other]) as served, httpx.Client(base_url=served.url) as client:
        assert ask(client, BODY | {"model": "other"})["model"] == "runs/other"
        nameless = client.post("/v1/systemone", json={"state": STATE, "questions": ASKED})
    assert nameless.status_code == 422
    assert "'model' is missing; it is one of 'tiny', 'runs/other'" in nameless.text


@pytest.fixture
def stopped(tiny_hosted):
    return replace(tiny_hosted, scorer=Stopped(tiny_hosted.scorer))


def test_a_client_that_leaves_frees_its_place(stopped):
    with (
        serving([stopped], wait=0, limits=Limits(waiting=1)) as served,
        ThreadPoolExecutor(1) as pool,
    ):
        url = served.url + "/v1/systemone"
        first = pool.submit(httpx.post, url, json=BODY, timeout=60)
        assert stopped.scorer.begun.wait(20)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json=BODY, timeout=0.3)
        ends = time.monotonic() + 20
        while served.app.batcher.waiting and time.monotonic() < ends:
            time.sleep(0.01)
        assert served.app.batcher.waiting == 0
        stopped.scorer.go_on.set()
        assert first.result().status_code == 200


def test_what_is_under_way_is_answered_before_the_server_ends(stopped):
    with ThreadPoolExecutor(1) as pool:
        with serving([stopped], wait=0) as served:
            answer = pool.submit(httpx.post, served.url + "/v1/systemone", json=BODY, timeout=60)
            assert stopped.scorer.begun.wait(20)
            threading.Timer(0.3, stopped.scorer.go_on.set).start()
        assert answer.result().status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(served.url + "/health")


def test_a_fault_of_the_server_is_an_answer_and_its_texts_are_not_logged(tiny_hosted, caplog):
    class Broken(Stopped):
        def temperature_of(self, kind):
            raise ValueError("friends sort")

    broken = replace(tiny_hosted, scorer=Broken(tiny_hosted.scorer))
    broken.scorer.go_on.set()
    with serving([broken]) as served, caplog.at_level(logging.INFO):
        answer = httpx.post(served.url + "/v1/systemone", json=BODY, headers={"x-request-id": "7"})
    assert answer.status_code == 500
    assert answer.json()["detail"][0]["msg"] == "the server failed; its log has more."
    assert answer.headers["x-request-id"] == "7"
    assert "7 failed: ValueError, line" in caplog.text
    assert "friends" not in caplog.text
