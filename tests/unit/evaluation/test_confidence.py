from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mcqa.evaluation.confidence import (
    accuracy_at_coverage,
    bins_of,
    calibration_error,
    equal_mass_edges,
    equal_width_edges,
    reliability,
    risk_coverage,
    selective,
)
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.resampling import observed

NAN = float("nan")


def ranked(confidences, corrects):
    return observed(
        selective(np.array(confidences), np.array(corrects, dtype=bool)), len(confidences)
    )


def aurc_of_order(corrects):
    errors = np.cumsum([not correct for correct in corrects])
    return np.mean(errors / np.arange(1, len(corrects) + 1))


def test_bins_of_one_width_hold_their_upper_edge():
    confidence = np.array([0.0, 0.1, 0.2, 0.21, 0.99, 1.0])
    edges = equal_width_edges(confidence, bins=5)
    np.testing.assert_allclose(edges, [0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert bins_of(confidence, edges).tolist() == [0, 0, 0, 1, 4, 4]


def test_bins_of_one_mass_have_as_many_each_and_keep_ties_together():
    def bins(confidence, **settings):
        return bins_of(confidence, equal_mass_edges(confidence, **settings)).tolist()

    shuffled = np.random.default_rng(0).permutation(30) / 30
    assert np.bincount(bins(shuffled, bins=15)).tolist() == [2] * 15
    tied = bins(np.array([0.25, 0.25, 0.25, 0.25, 0.6, 0.9]), bins=3)
    assert tied in ([0, 0, 0, 0, 1, 2], [0, 0, 0, 0, 1, 1])
    assert set(bins(np.full(9, 0.5))) == {0}


def test_calibration_error_is_that_computed_by_hand():
    confidence = np.array([0.5, 0.5, 0.9, 0.9, 0.9, NAN])
    correct = np.array([1, 0, 1, 1, 0, 1], dtype=bool)
    edges = np.array([0, 0.6, 1])
    # 2/5 * |0.5 - 0.5| + 3/5 * |2/3 - 0.9|
    assert observed(calibration_error("e", confidence, correct, edges), 6)["e"] == pytest.approx(
        3 / 5 * (0.9 - 2 / 3)
    )


def test_points_of_a_reliability_plot_leave_empty_bins_out():
    confidence = np.array([0.35, 0.45, 0.95])
    correct = np.array([False, True, True])
    first, last = reliability(confidence, correct, equal_width_edges(confidence, bins=4))
    assert first == {
        "low": 0.25,
        "high": 0.5,
        "n": 2,
        "confidence": pytest.approx(0.4),
        "accuracy": 0.5,
        "ci95": list(wilson_interval(1, 2)),
    }
    assert (last["low"], last["high"], last["n"], last["accuracy"]) == (0.75, 1.0, 1, 1.0)


def test_the_area_under_the_risk_coverage_curve_is_that_computed_by_hand():
    # errors among the 1, 2, 3, 4 most confident: 0, 1/2, 1/3, 2/4
    result = ranked([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0])
    assert result["aurc"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)


@pytest.mark.parametrize("corrects", [[1, 0, 0, 1, 1], [0, 1, 1, 0, 1], [1, 1, 0, 1, 0]])
def test_ties_give_the_mean_area_over_their_orders(corrects):
    confidences = [0.9, 0.5, 0.5, 0.5, 0.3]
    first, *tied, last = corrects
    orders = [aurc_of_order([first, *order, last]) for order in permutations(tied)]
    assert ranked(confidences, corrects)["aurc"] == pytest.approx(np.mean(orders))


def test_nothing_depends_on_the_order_of_the_questions():
    rng = np.random.default_rng(1)
    confidences, corrects = np.round(rng.random(50), 1), rng.random(50) < 0.6
    shuffle = rng.permutation(50)
    assert ranked(confidences, corrects) == pytest.approx(
        ranked(confidences[shuffle], corrects[shuffle])
    )


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_auroc_is_that_of_scikit_learn(decimals):
    rng = np.random.default_rng(decimals)
    confidences, corrects = np.round(rng.random(200), decimals), rng.random(200) < 0.6
    assert ranked(confidences, corrects)["auroc"] == pytest.approx(
        roc_auc_score(corrects, confidences)
    )


@pytest.mark.parametrize("correct", [0, 1])
def test_auroc_is_not_defined_where_all_or_none_are_right(correct):
    result = ranked([0.5, 0.6], [correct, correct])
    assert np.isnan(result["auroc"])
    assert result["aurc"] == 1 - correct


def test_accuracy_at_coverage_keeps_the_most_confident_and_whole_ties():
    confidence = np.array([0.9, 0.8, 0.6, 0.6, 0.6, 0.2, NAN])
    correct = np.array([1, 1, 0, 1, 0, 0, 1], dtype=bool)
    curve = risk_coverage(confidence, correct)
    assert curve["threshold"].tolist() == [0.9, 0.8, 0.6, 0.2]
    assert curve["n"].tolist() == [1, 2, 5, 6]
    assert curve["right"].tolist() == [1, 2, 3, 3]
    np.testing.assert_allclose(curve["coverage"], [1 / 6, 2 / 6, 5 / 6, 1])
    np.testing.assert_allclose(curve["risk"], [0, 0, 2 / 5, 3 / 6])
    # half of 6 questions is 3, and the third is tied with two more
    assert accuracy_at_coverage(curve, 50) == {
        "value": 3 / 5,
        "n": 5,
        "ci95": list(wilson_interval(3, 5)),
        "coverage": 5 / 6,
        "threshold": 0.6,
    }
    assert accuracy_at_coverage(curve, 90)["n"] == 6
    result = ranked(confidence, correct)
    assert [result[f"accuracy_at_{c}"] for c in (50, 80, 90)] == [3 / 5, 3 / 5, 1 / 2]


def test_a_coverage_that_is_met_exactly_keeps_no_more():
    confidence = np.linspace(0.9, 0.1, 10)
    correct = np.arange(10) < 8
    assert accuracy_at_coverage(risk_coverage(confidence, correct), 80)["n"] == 8
    assert ranked(confidence, correct)["accuracy_at_80"] == 1.0
    assert ranked(confidence, correct)["accuracy_at_90"] == 8 / 9
