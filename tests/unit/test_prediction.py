import json
import math
from dataclasses import replace

import pytest

from mcqa.errors import DataError
from mcqa.prediction import (
    Prediction,
    Retrieved,
    read_predictions,
    write_predictions,
)
from mcqa.question import Question

SCORED = Prediction(
    id="q1",
    label=1,
    choice=0,
    scores=(-1.5, -2.25),
    probabilities=(0.625, 0.375),
    unit="nats",
    scorer="text",
    tokens=12,
)
GENERATED = Prediction(
    id="q2",
    label=None,
    choice=None,
    scores=None,
    probabilities=None,
    unit=None,
    scorer="generate",
    tokens=40,
    text="no idea",
    parsed="unparsed",
)


@pytest.mark.parametrize(
    ("label", "choice", "correct"),
    [(1, 1, True), (1, 0, False), (1, None, False), (None, 0, False)],
)
def test_a_prediction_is_correct_only_where_choice_and_label_are_known_and_equal(
    label, choice, correct
):
    prediction = Prediction(**{**vars(SCORED), "label": label, "choice": choice})
    assert prediction.correct is correct


def test_a_prediction_without_label_and_choice_is_not_correct():
    assert GENERATED.label is GENERATED.choice is None
    assert not GENERATED.correct


def scored(scores):
    question = Question(stem="?", options=tuple("xyz"), label=2, id="q")
    return Prediction.scored(question, scores, unit="nats", scorer="text", tokens=7)


def test_a_scored_question_takes_the_highest_score_and_normalises_by_softmax():
    # exp(0) : exp(ln 3) : exp(ln 4) is 1 : 3 : 4.
    prediction = scored([0.0, math.log(3), math.log(4)])
    assert (prediction.id, prediction.label, prediction.choice) == ("q", 2, 2)
    assert prediction.probabilities == pytest.approx((0.125, 0.375, 0.5))
    assert prediction.scores == (0.0, math.log(3), math.log(4))
    assert (prediction.unit, prediction.scorer, prediction.tokens) == ("nats", "text", 7)


def test_equal_scores_choose_the_first_option():
    assert scored([-2.0, -1.0, -1.0]).choice == 1


@pytest.mark.parametrize("offset", [-5000.0, 5000.0])
def test_probabilities_of_large_scores_neither_overflow_nor_vanish(offset):
    prediction = scored([offset, offset, offset + math.log(2)])
    assert prediction.probabilities == pytest.approx((0.25, 0.25, 0.5))


def test_written_predictions_are_read_back_the_same(tmp_path):
    path = write_predictions(tmp_path / "new" / "predictions.jsonl", [SCORED, GENERATED])
    assert read_predictions(path) == [SCORED, GENERATED]


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\x85b", "a\x0cb", "a\r\nb", "", "é 答"])
def test_a_text_with_any_kind_of_line_break_stays_on_its_line(tmp_path, text):
    prediction = Prediction(**{**vars(GENERATED), "text": text})
    path = write_predictions(tmp_path / "predictions.jsonl", [prediction, SCORED])
    assert read_predictions(path) == [prediction, SCORED]


def test_only_generation_writes_the_fields_of_generation():
    assert json.loads(SCORED.to_json()).keys() & {"text", "parsed"} == set()
    assert json.loads(GENERATED.to_json())["parsed"] == "unparsed"


def test_a_line_of_before_the_cut_tokens_were_counted_is_read(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text(SCORED.to_json().replace(', "truncated": 0', "") + "\n")
    assert read_predictions(path) == [SCORED]


def test_a_temperature_divides_the_scores_of_the_probabilities_alone():
    # sqrt(1) : sqrt(9) is 1 : 3.
    calibrated = scored([0.0, math.log(9)]).calibrated(2.0)
    assert calibrated.probabilities == pytest.approx((0.25, 0.75))
    assert calibrated.scores == (0.0, math.log(9))
    assert GENERATED.calibrated(2.0) == GENERATED


def test_an_empty_file_holds_no_predictions(tmp_path):
    assert read_predictions(write_predictions(tmp_path / "none.jsonl", [])) == []


def test_a_writing_that_fails_leaves_the_old_file(tmp_path):
    path = write_predictions(tmp_path / "predictions.jsonl", [SCORED])

    def broken():
        yield GENERATED
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_predictions(path, broken())
    assert read_predictions(path) == [SCORED]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"absent\.jsonl"):
        read_predictions(tmp_path / "absent.jsonl")


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        "{}",
        SCORED.to_json().replace('"tokens"', '"token"'),
        SCORED.to_json().replace("[-1.5, -2.25]", "3"),
    ],
)
def test_a_line_that_is_no_prediction_is_named_by_its_number(tmp_path, line):
    path = tmp_path / "predictions.jsonl"
    path.write_text(SCORED.to_json() + "\n" + line + "\n")
    with pytest.raises(DataError, match="line 2: not a line of a predictions file"):
        read_predictions(path)


def test_what_was_retrieved_comes_back_also_where_it_was_nothing(tmp_path):
    found = replace(SCORED, retrieved=(Retrieved("p1", 2.5), Retrieved("p\u2028", 1.0)))
    predictions = [SCORED, found, replace(GENERATED, retrieved=())]
    path = write_predictions(tmp_path / "p.jsonl", predictions)
    rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    assert "retrieved" not in rows[0]
    assert rows[1]["retrieved"][0] == {"id": "p1", "score": 2.5}
    assert read_predictions(path) == predictions


def of_kind(kind, scores, **more):
    question = Question(stem="?", options=tuple("abc"), kind=kind, id="q", **more)
    return Prediction.scored(question, scores, unit="logit", scorer="head", tokens=3)


def test_several_options_have_a_probability_each_and_a_threshold_chooses():
    prediction = of_kind("several", [2.0, -1.0, 0.5], label=[0, 2])
    assert (prediction.choice, prediction.label, prediction.correct) == ((0, 2), (0, 2), True)
    assert prediction.probabilities == pytest.approx((0.8808, 0.2689, 0.6225), abs=1e-4)
    question = Question(stem="?", options=tuple("abc"), kind="several", id="q", label=[0])
    stricter = Prediction.scored(
        question, [2.0, -1.0, 0.5], unit="logit", scorer="head", tokens=3, threshold=0.7
    )
    assert (stricter.choice, stricter.correct) == ((0,), True)


def test_a_scale_has_an_expected_level_and_a_median():
    prediction = of_kind("scale", [0.0, 0.0, 0.0], label=1)
    assert (prediction.expected, prediction.median) == (pytest.approx(1.0), 1)
    assert (prediction.to_row()["expected"], prediction.to_row()["median"]) == (1.0, 1)
    assert of_kind("choice", [0.0, 1.0, 0.0]).expected is None


@pytest.mark.parametrize("kind", ["choice", "scale", "several"])
def test_predictions_of_every_kind_are_read_as_they_were_written(kind, tmp_path):
    label = [1, 2] if kind == "several" else 1
    predictions = [of_kind(kind, [0.5, 1.5, -0.5], label=label, targets=(0.0, 1.0, 0.0))]
    path = write_predictions(tmp_path / "p.jsonl", predictions)
    assert read_predictions(path) == predictions
