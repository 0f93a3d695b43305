import math

import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers, first_best, log_softmax, pad


def test_predictions_become_arrays_without_the_unlabelled_ones(scored, generated):
    answers = Answers.of(
        [
            scored("a", 1, [0.0, math.log(3)]),
            scored("b", None, [0.0, 1.0]),
            generated("c", 3, None),
            scored("d", 0, [0.0, 0.0, math.log(2)]),
        ]
    )
    assert answers.ids == ("a", "c", "d")
    assert answers.labels.tolist() == [1, 3, 0]
    assert answers.choices.tolist() == [1, -1, 2]
    assert answers.correct.tolist() == [True, False, False]
    assert answers.scored.tolist() == [True, False, True]
    np.testing.assert_allclose(
        np.exp(answers.log_probabilities),
        [[0.25, 0.75, np.nan], [np.nan] * 3, [0.25, 0.25, 0.5]],
    )
    np.testing.assert_allclose(answers.confidence, [0.75, np.nan, 0.5])


def test_a_probability_too_small_for_a_float_keeps_its_logarithm(scored):
    answers = Answers.of([scored("a", 0, [-1000.0, 0.0])])
    assert answers.log_probabilities[0, 0] == -1000.0
    assert answers.confidence[0] == 1.0


def test_answers_can_be_taken_by_mask_or_place(random_answers):
    answers = random_answers(6)
    mask = np.array([True, False, False, True, False, False])
    for index in (mask, np.array([0, 3])):
        taken = answers.take(index)
        assert taken.ids == ("q0", "q3")
        assert taken.labels.tolist() == answers.labels[[0, 3]].tolist()
        np.testing.assert_array_equal(taken.log_probabilities, answers.log_probabilities[[0, 3]])


def test_scores_choose_the_first_of_equal_ones():
    answers = Answers.from_scores("abc", [0, 1, 2], pad([[1, 1], [0, 2, 2], [0, 0, 1]]))
    assert answers.choices.tolist() == [0, 1, 2]
    assert first_best(pad([None, [-5.0, -4.0]])).tolist() == [-1, 1]


def test_log_softmax_is_that_of_scipy_and_skips_what_is_not_there():
    rng = np.random.default_rng(0)
    rows = [rng.normal(scale=3000, size=size) for size in (2, 5, 3)]
    result = log_softmax(pad([*rows, None]))
    for row, of_row in zip(rows, result, strict=False):
        np.testing.assert_allclose(of_row[: len(row)], scipy_log_softmax(row))
        assert np.isnan(of_row[len(row) :]).all()
    assert np.isnan(result[3]).all()


def test_rows_are_filled_up_with_nothing():
    padded = pad([(1.0, 2.0), None, (3.0, 4.0, 5.0)])
    np.testing.assert_array_equal(padded, [[1, 2, np.nan], [np.nan] * 3, [3, 4, 5]])
    assert pad([]).shape == (0, 1)


@pytest.mark.parametrize(
    ("label", "scores", "message"),
    [
        (2, [0.0, 1.0], r"'a': label 2 is not one of its options \(0 to 1\)"),
        (-1, [0.0, 1.0], "'a': label -1"),
        (0, [0.0, math.nan], "'a': its scores .* are not all finite"),
        (0, [-math.inf, 1.0], "'a': its scores .* are not all finite"),
    ],
)
def test_a_prediction_that_cannot_be_is_refused(scored, label, scores, message):
    with pytest.raises(ConfigError, match=message):
        Answers.of([scored("a", label, scores)])


def test_no_label_at_all_is_refused(scored):
    with pytest.raises(ConfigError, match="no prediction has a label"):
        Answers.of([scored("a", None, [0.0, 1.0])])
