"""Who waits, who goes together, and what happens to those who leave, with a scorer of sums."""

import threading
from types import SimpleNamespace

import pytest

from mcqa.errors import EncodingError, ModelError, RequestError
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.scoring.scorer import Prepared
from mcqa.serving.batching import PASSES, Batcher
from mcqa.serving.limits import Limits

LONG, BROKEN = "long", "broken"


class FakeScorer:
    """Score an option by its length; it stops at `gate`, and keeps what it was asked together."""

    encoder = SimpleNamespace(max_length=8)

    def __init__(self):
        self.gate, self.batches = threading.Event(), []
        self.gate.set()

    def prepare(self, questions):
        if any(question.stem == "unfit" for question in questions):
            raise EncodingError("question 'q': it does not fit.")
        encoded = [
            SimpleNamespace(question=q, tokens=9, truncated=3 * (q.stem == LONG)) for q in questions
        ]
        return Prepared(questions, encoded, False)

    def score_prepared(self, lots, batch_size):
        self.batches.append(([lot.questions[0].stem for lot in lots], batch_size))
        assert self.gate.wait(5)
        if any(question.stem == BROKEN for lot in lots for question in lot.questions):
            raise ModelError("its scores are not finite.")
        return [[self._score(question) for question in lot.questions] for lot in lots]

    def score(self, question):
        self.batches.append((question.stem, "alone"))
        return self._score(question)

    def _score(self, question):
        scores = [float(len(option)) for option in question.options]
        return Prediction.scored(question, scores, unit="nats", scorer="text", tokens=9)

    def calibrated(self, prediction):
        return prediction.calibrated(2.0)


@pytest.fixture
def scorer():
    return FakeScorer()


@pytest.fixture
def make():
    """Make a batcher that waits long enough for company to come, and close it at the end."""
    made = []

    def batcher(wait=0.2, **settings):
        limits = Limits(
            **{name: settings.pop(name) for name in ("waiting", "tokens") & settings.keys()}
        )
        made.append(Batcher(limits=limits, wait=wait, **settings))
        return made[-1]

    yield batcher
    for one in made:
        one.close()


def asks(*stems):
    return [Question(stem=stem, options=("a", "abc")) for stem in stems]


def refusal(future):
    with pytest.raises(RequestError) as refused:
        future.result(5)
    return refused.value


def test_jobs_that_wait_go_together_and_get_their_own_answers(make, scorer):
    batcher = make()
    futures = [batcher.submit(scorer, asks(*stems)) for stems in (("one",), ("two", "three"))]
    answers = [future.result(5) for future in futures]
    assert [len(own) for own in answers] == [1, 2]
    assert scorer.batches == [(["one", "two"], 16)]
    plain = Prediction.scored(asks("one")[0], [1.0, 3.0], unit="nats", scorer="text", tokens=9)
    assert answers[0][0].probabilities == plain.calibrated(2.0).probabilities


def test_a_full_batch_waits_for_nobody_and_each_model_has_its_own(make, scorer):
    other, batcher = FakeScorer(), make(wait=0.3, batch_size=2)
    scorer.gate.clear()
    first = batcher.submit(scorer, asks("a", "b"))
    while not scorer.batches:
        pass
    futures = [
        batcher.submit(each, asks(stem))
        for each, stem in ((scorer, "c"), (other, "d"), (scorer, "e"))
    ]
    scorer.gate.set()
    for future in [first, *futures]:
        future.result(5)
    assert scorer.batches == [(["a"], 2), (["c", "e"], 2)]
    assert other.batches == [(["d"], 2)]


def test_as_many_questions_go_together_as_fill_some_passes(make, scorer):
    batcher = make(wait=0.05, batch_size=2)
    scorer.gate.clear()
    first = batcher.submit(scorer, asks("first"))
    while not scorer.batches:
        pass
    futures = [batcher.submit(scorer, asks(str(n))) for n in range(PASSES * 2 + 1)]
    scorer.gate.set()
    for future in [first, *futures]:
        future.result(5)
    assert [len(stems) for stems, _ in scorer.batches] == [1, PASSES * 2, 1]


def test_invariant_computes_every_question_by_itself(make, scorer):
    batcher = make(invariant=True)
    futures = [batcher.submit(scorer, asks(*stems)) for stems in ("ab", "c")]
    assert [len(future.result(5)) for future in futures] == [2, 1]
    assert scorer.batches == [("a", "alone"), ("b", "alone"), ("c", "alone")]


def test_who_leaves_while_waiting_frees_the_place(make, scorer):
    batcher = make(wait=0, waiting=1)
    scorer.gate.clear()
    running = batcher.submit(scorer, asks("a"))
    while not scorer.batches:
        pass
    waiting = batcher.submit(scorer, asks("b"))
    with pytest.raises(RequestError, match="wait already") as full:
        batcher.submit(scorer, asks("c"))
    assert (full.value.status, full.value.retry_after) == (429, 1)
    assert waiting.cancel()
    assert batcher.waiting == 0
    last = batcher.submit(scorer, asks("d"))
    scorer.gate.set()
    assert [len(future.result(5)) for future in (running, last)] == [1, 1]
    assert [stems for stems, _ in scorer.batches] == [["a"], ["d"]]


@pytest.mark.parametrize(
    ("stem", "status", "message"),
    [
        ("unfit", 422, "does not fit"),
        (LONG, 422, "3 tokens longer than the 8"),
        (BROKEN, 500, "not finite"),
    ],
)
def test_a_bad_question_fails_alone(make, scorer, stem, status, message):
    batcher = make()
    good, bad, other = (batcher.submit(scorer, asks(each)) for each in ("a", stem, "b"))
    fault = refusal(bad)
    assert fault.status == status
    assert message in str(fault)
    assert len(good.result(5)) == len(other.result(5)) == 1


def test_what_is_too_long_is_cut_where_that_is_asked_for(make, scorer):
    assert len(make(cut=True).submit(scorer, asks(LONG)).result(5)) == 1


def test_a_request_of_too_many_tokens_is_refused(make, scorer):
    assert refusal(make(tokens=10).submit(scorer, asks("a", "b"))).code == "too_many_tokens"


def test_closing_answers_what_waits_and_takes_no_more(make, scorer):
    batcher = make(wait=60)
    future = batcher.submit(scorer, asks("a"))
    batcher.close()
    assert len(future.result(0)) == 1
    assert not batcher.is_ready
    with pytest.raises(RequestError, match="shutting down"):
        batcher.submit(scorer, asks("b"))
