"""Servers as scorers: what they are asked, what is believed of their answers, and how often."""

import math

import pytest
from misbehaving import misbehaving

from mcqa.errors import ConfigError, ModelError, RunError
from mcqa.prompting.prompts import get_template
from mcqa.question import Question
from mcqa.scoring.remote.client import Client
from mcqa.scoring.remote.names import parse_remote
from mcqa.scoring.remote.scorer import RemoteScorer

CHOICE = Question(stem="A fruit?", options=("pear", "saw"), context="On the table.", id="one")
YES_NO = Question(stem="Is a pear a fruit?", kind="yes_no")
SCALE = Question(stem="How hot?", options=("cold", "warm", "hot"), kind="scale")
SEVERAL = Question(stem="Which are fruits?", options=("pear", "saw", "fig"), kind="several")


def remote(url, path="/v1/systemone", **how):
    how = {"wait": 0.001, "tries": 3} | how
    return RemoteScorer(parse_remote(f"{url}{path}#tiny"), Client(url + path, **how))


def answered(probabilities):
    return {"answers": {"question": {"type": "choice", "probabilities": probabilities}}}


def good(number, body):
    return answered({"pear": 0.75, "saw": 0.25}) | {"usage": {"input_tokens": 7}}


def test_a_systemone_server_is_asked_and_read_by_kind():
    def answer(number, body):
        assert body["model"] == "tiny"
        (question,) = body["questions"].values()
        own = {
            "choice": {"probabilities": {"saw": 0.25, "pear": 0.75}},
            "noul": {"noul": 0.9},
            "score": {"probabilities": {"0": 0.0, "1": 0.2, "2": 0.8}},
            "several": {"probabilities": {"pear": 0.9, "saw": 0.1, "fig": 0.5}},
        }[question["type"]]
        return {"answers": {"question": own}}

    with misbehaving(answer) as server:
        one, yes, heat, fruits = remote(server.url).score_many([CHOICE, YES_NO, SCALE, SEVERAL])
    assert one.probabilities == pytest.approx((0.75, 0.25))
    assert (one.choice, one.unit, one.scorer) == (0, "nats", "systemone")
    assert yes.probabilities == pytest.approx((0.9, 0.1))
    assert heat.expected == pytest.approx(1.8, abs=1e-6)
    assert fruits.probabilities == pytest.approx((0.9, 0.1, 0.5))
    assert fruits.choice == (0, 2)
    asked = {body["questions"]["question"]["instructions"]: body for body in server.asked}
    one, heat = (asked[stem]["questions"]["question"] for stem in ("A fruit?", "How hot?"))
    assert one["criteria"] == {"pear": None, "saw": None}
    assert heat["criteria"] == ["cold", "warm", "hot"]
    assert (asked["A fruit?"]["state"], asked["How hot?"]["state"]) == ("On the table.", "")


def test_a_decisions_server_is_asked_and_read_by_kind():
    def answer(number, body):
        (question,) = body["questions"]
        if question["type"] == "predicate":
            return {"answers": [{"type": "predicate", "probability": 0.9}]}
        names = [one.get("value") for one in question.get("choices", [])] or [0, 1, 2]
        own = [{"value": name, "probability": 1 / len(names)} for name in names]
        return {"answers": [{"type": question["type"], "probabilities": own}]}

    questions = [CHOICE, YES_NO, SCALE, SEVERAL]
    with misbehaving(answer) as server:
        one, yes, heat, fruits = remote(server.url, "/v1/decisions").score_many(questions)
    assert one.probabilities == (0.5, 0.5)
    assert yes.choice == 0
    assert heat.expected == pytest.approx(1)
    assert fruits.choice == (0, 1, 2)  # each option was asked for by itself, and said yes to
    assert len(server.asked) == 6


def test_a_completions_server_echoes_the_options():
    rendered = get_template("cloze").render(CHOICE)

    def answer(number, body):
        choices = []
        for index, prompt in enumerate(body["prompt"]):
            cut = len(rendered.prefix)
            tokens = [prompt[:cut], *prompt[cut:], "x"]
            at = [0, *range(cut, len(prompt) + 1)]
            logs = [None, *[-0.5 - index] * (len(tokens) - 2), -9.0]
            told = {"tokens": tokens, "token_logprobs": logs, "text_offset": at}
            choices.insert(0, {"index": index, "logprobs": told})
        return {"choices": choices, "usage": {"prompt_tokens": 11}}

    with misbehaving(answer) as server:
        prediction = remote(server.url, "/v1/completions").score(CHOICE)
    assert prediction.scores == (-0.5 * len(" pear"), -1.5 * len(" saw"))
    assert prediction.tokens == 11
    assert server.asked[0]["echo"] is True


def test_a_chat_server_is_asked_by_letters():
    listed = [
        {"token": " A", "logprob": math.log(0.25)},
        {"token": "A", "logprob": math.log(0.25)},
        {"token": "The", "logprob": math.log(0.125)},
    ]
    content = {"choices": [{"logprobs": {"content": [{"top_logprobs": listed}]}}]}
    with misbehaving(lambda number, body: content) as server:
        prediction = remote(server.url, "/v1/chat/completions").score(CHOICE)
    assert prediction.scores == pytest.approx((math.log(0.5), math.log(0.125)))
    listed[:2] = []
    with (
        misbehaving(lambda number, body: content) as server,
        pytest.raises(RunError, match="none of its likeliest tokens is an option's letter: 'The'"),
    ):
        remote(server.url, "/v1/chat/completions").score(CHOICE)


@pytest.mark.parametrize("bad", [429, 500, 503, "cut", "{", None, (429, 0)], ids=str)
def test_what_may_pass_is_asked_again(bad):
    with misbehaving(lambda n, body: bad if n < 2 else good(n, body)) as server:
        assert remote(server.url).score(CHOICE).choice == 0
    assert len(server.asked) == 3


def test_it_is_asked_so_many_times_and_no_more():
    with (
        misbehaving(lambda number, body: 500) as server,
        pytest.raises(RunError, match="no answer after 3 tries; the last: HTTP 500: status 500"),
    ):
        remote(server.url).score(CHOICE)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answered({"pear": math.nan, "saw": 0.5}), "nan is no probability"),
        (answered({"pear": 1.5, "saw": -0.5}), "1.5 is no probability"),
        (answered({"pear": 0.9, "axe": 0.1}), "probabilities of 'pear', 'axe'"),
        (answered({"pear": 1.0}), "asked were pear, saw"),
        (answered({"pear": 0.3, "saw": 0.3}), "sum to 0.6"),
        (answered([0.5, 0.5]), r"probabilities of \[0.5, 0.5\]"),
        ({"answers": {}}, "it has no 'question'"),
        (401, "HTTP 401: status 401"),
        (422, "HTTP 422: status 422"),
    ],
)
def test_what_is_wrong_is_refused_at_once(answer, said):
    with (
        misbehaving(lambda number, body: answer) as server,
        pytest.raises(RunError, match=said),
    ):
        remote(server.url).score(CHOICE)
    assert len(server.asked) == 1


def test_an_interrupted_job_goes_on_without_asking_twice():
    questions = [
        Question(stem=f"Fruit {n}?", options=("pear", "saw"), id=f"q{n}") for n in range(6)
    ]
    kept, counts = {}, []
    with misbehaving(good) as server:
        with pytest.raises(RunError, match="all 4 requests of --max-requests are spent"):
            remote(server.url, budget=4).score_many(questions, 1, None, kept)
        assert sorted(kept) == [0, 1, 2, 3]
        predictions = remote(server.url).score_many(questions, 2, counts.append, kept)
    assert [prediction.id for prediction in predictions] == [f"q{n}" for n in range(6)]
    asked = sorted(body["questions"]["question"]["instructions"] for body in server.asked)
    assert asked == [f"Fruit {n}?" for n in range(6)]
    assert sum(counts) == 6


def test_a_key_comes_from_the_environment_and_never_goes_in_the_clear(monkeypatch):
    monkeypatch.setenv("MCQA_API_KEY", "secret")
    with misbehaving(good) as server:
        remote(server.url).score(CHOICE)
    assert server.asked[0]["authorization"] == "Bearer secret"
    with pytest.raises(ConfigError, match="in the clear"):
        Client("http://example.com/v1/systemone")
    Client("https://example.com/v1/systemone")


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("https://example.com/v2#m", ModelError, "ends in /v1/systemone, /v1/decisions"),
        ("https://example.com/v1/systemone", ModelError, "/v1/systemone#NAME"),
        ("https://me:key@example.com/v1/systemone#m", ConfigError, "does not belong"),
    ],
)
def test_a_servers_name_says_all_that_is_needed(name, error, said):
    with pytest.raises(error, match=said) as refused:
        parse_remote(name)
    assert "key@" not in str(refused.value)
    assert parse_remote("http://[::1]:8000/v1/chat/completions#a/b").format == "chat"
