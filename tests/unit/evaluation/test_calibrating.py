"""What is fitted on one kind's validation answers, against a search and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcqa.errors import ConfigError
from mcqa.evaluation.calibrating import calibrate, fit_threshold
from mcqa.prediction import Prediction
from mcqa.question import Question


def answer(scores, label, kind="several"):
    options = tuple("abcde"[: len(scores)])
    question = Question(stem="Which?", options=options, label=label, kind=kind)
    return Prediction.scored(question, scores, unit="logit", scorer="head", tokens=1)


def wholly_right(rows, threshold):
    least = math.log(threshold / (1 - threshold))
    return sum(all((s >= least) == r for s, r in row) for row in rows)


option = st.tuples(st.integers(-6, 6).map(lambda n: n / 2), st.booleans())


@given(st.lists(st.lists(option, min_size=1, max_size=4), min_size=1, max_size=8))
def test_no_threshold_is_right_more_often(rows):
    width = max(map(len, rows))
    scores = np.array([[s for s, _ in row] + [math.nan] * (width - len(row)) for row in rows])
    right = np.array([[r for _, r in row] + [False] * (width - len(row)) for row in rows])
    found = fit_threshold(scores, right)
    tried = [1 / (1 + math.exp(-log_odds / 4)) for log_odds in range(-17, 18)]
    most = max(wholly_right(rows, threshold) for threshold in tried)
    assert wholly_right(rows, found) == most
    if wholly_right(rows, 0.5) == most:
        assert found == 0.5


def test_the_threshold_lies_between_what_is_right_and_what_is_not():
    group = [answer([3.0, 1.0, -1.0], [0]), answer([2.0, 0.5], [0]), answer([0.8, -2.0], [])]
    found = calibrate(group)
    assert found["threshold"] == pytest.approx(1 / (1 + math.exp(-1.5)))  # from 1 up to 2
    assert found["n"] == 3
    assert found["temperature"] > 0


def test_the_temperature_of_several_makes_their_options_likeliest():
    group = [answer([4.0, 4.0, -4.0, -4.0], [0, 2]), answer([4.0, 4.0, -4.0, -4.0], [0, 1])]
    temperature = calibrate(group)["temperature"]
    # Three of four at 4 are right, and one of four at -4.
    assert 1 / (1 + math.exp(-4 / temperature)) == pytest.approx(3 / 4, abs=1e-3)


def test_yes_has_a_threshold_and_choices_have_none():
    yes_no = [answer([1.0, 0.0], 0, "yes_no"), answer([0.6, 0.0], 1, "yes_no")]
    assert calibrate(yes_no)["threshold"] == pytest.approx(1 / (1 + math.exp(-0.8)))
    assert "threshold" not in calibrate([answer([1.0, 0.0], 0, "choice")])
    assert "threshold" not in calibrate([answer([1.0, 0.0], 0, "scale")])


def test_several_without_labels_cannot_be_calibrated():
    with pytest.raises(ConfigError, match="a label and scores"):
        calibrate([answer([1.0, 0.0], None)])
