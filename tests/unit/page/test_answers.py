import any_kind
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixed_answers import answer, questions_of

from mcqa.evaluation.sets import answers_of
from mcqa.kinds import KINDS
from mcqa.page.answers import confidence, variation, verdict
from mcqa.prediction import Prediction
from mcqa.question import Question


@pytest.mark.parametrize("kind", KINDS)
def test_confidence_is_that_of_the_metrics(kind):
    predictions = answer(questions_of(kind, 20))
    expected = answers_of(predictions).confidence.tolist()
    assert list(map(confidence, predictions)) == pytest.approx(expected)


def test_what_was_generated_has_no_confidence():
    written = answer(questions_of("several", 9), unscored=1.0)
    assert {confidence(prediction) for prediction in written} == {None}


@pytest.mark.parametrize(
    ("kind", "label", "scores", "said"),
    [
        ("choice", 1, [0, 1, 0], "right"),
        ("choice", 0, [0, 1, 0], "wrong"),
        ("choice", None, [0, 1, 0], "no label"),
        ("scale", 2, [5, 1, 0], "2 levels off"),
        ("scale", 1, [5, 1, 0], "1 level off"),
        ("several", (0, 2), [1, -1, 1], "right"),
        ("several", (1,), [1, 1, -1], "wrong in 1 option"),
        ("several", (), [1, -1, 1], "wrong in 2 options"),
        ("several", (), [-1, -1, -1], "right"),
    ],
)
def test_a_verdict_says_by_how_much_it_is_wrong(kind, label, scores, said):
    question = Question(stem="Which?", options=("a", "b", "c"), kind=kind, label=label)
    told = {"unit": "nats", "scorer": "text", "tokens": 1}
    assert verdict(Prediction.scored(question, scores, **told)) == said


@given(data=st.data(), question=any_kind.questions_of_any_kind())
def test_variation_is_between_nothing_and_all(data, question):
    told = {"unit": "nats", "scorer": "text", "tokens": 1}
    scores = any_kind.scores_for(question)
    a, b = (Prediction.scored(question, data.draw(scores), **told) for _ in range(2))
    assert 0 <= variation(a, b) <= 1 + 1e-9
    assert variation(a, b) == pytest.approx(variation(b, a))
    assert variation(a, a) == 0
