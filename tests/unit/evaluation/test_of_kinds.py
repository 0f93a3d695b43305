"""Metrics of sets, levels, yes or no and soft labels, against values by hand and scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics

from mcqa.evaluation import of_kinds

LABEL = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
CHOICE = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
EXISTS = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)


def test_sets_by_hand():
    assert of_kinds.hamming_loss(LABEL, CHOICE, EXISTS).tolist() == [0.5, 0, 0]
    assert of_kinds.jaccard(LABEL, CHOICE) == pytest.approx([1 / 3, 1, 1])
    assert of_kinds.f1(LABEL, CHOICE) == pytest.approx(2 * 2 / (3 + 3))
    assert of_kinds.f1_by_option(LABEL, CHOICE) == pytest.approx([1, 2 / 3, 0, 1])


def test_sets_equal_scikit_learns():
    rng = np.random.default_rng(0)
    label, choice = rng.random((2, 50, 5)) < 0.5
    everywhere = np.ones_like(label)
    assert of_kinds.hamming_loss(label, choice, everywhere).mean() == pytest.approx(
        metrics.hamming_loss(label, choice)
    )
    assert of_kinds.f1(label, choice) == pytest.approx(
        metrics.f1_score(label, choice, average="micro")
    )
    assert of_kinds.f1_by_option(label, choice) == pytest.approx(
        metrics.f1_score(label, choice, average=None)
    )
    assert of_kinds.jaccard(label, choice).mean() == pytest.approx(
        metrics.jaccard_score(label, choice, average="samples", zero_division=1)
    )


def test_kappa_is_1_for_agreement_and_worse_the_farther_off():
    label = np.array([0, 1, 2, 3, 4])
    assert of_kinds.quadratic_kappa(label, label) == 1
    near, far = label.copy(), label.copy()
    near[0], far[0] = 1, 4
    assert of_kinds.quadratic_kappa(label, near) > of_kinds.quadratic_kappa(label, far)
    assert math.isnan(of_kinds.quadratic_kappa(np.zeros(3), np.zeros(3)))
    assert of_kinds.level_error(label, np.array([0.5, 1, 2, 3, 2])).tolist() == [0.5, 0, 0, 0, 2]


def test_yes_or_no_by_hand():
    is_yes = np.array([True, False, True, True, False])
    probability = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    assert of_kinds.auroc_of_yes(is_yes, probability) == pytest.approx(4 / 6)
    at = of_kinds.threshold_at_precision(is_yes, probability, 0.75)
    assert at == {"threshold": 0.6, "precision": 0.75, "recall": 1.0}
    assert of_kinds.threshold_at_precision(is_yes, probability, 1.0)["threshold"] == 0.9
    assert of_kinds.threshold_at_precision(~is_yes, probability, 0.99) is None
    assert math.isnan(of_kinds.auroc_of_yes(np.ones(3), probability[:3]))


def test_soft_labels_by_hand():
    target = np.array([[0.75, 0.25, np.nan]])
    probability = np.array([[0.5, 0.5, np.nan]])
    assert of_kinds.total_variation(target, probability).tolist() == [0.25]
    assert of_kinds.soft_nll(target, np.log(probability)) == pytest.approx([math.log(2)])
    certain = np.array([[1.0, 0.0, np.nan]])
    with np.errstate(divide="ignore"):
        assert of_kinds.soft_nll(certain, np.log(certain)).tolist() == [0]
