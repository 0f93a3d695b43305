import numpy as np
import pytest

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers, log_softmax, pad
from mcqa.evaluation.orders import choose_orders, show
from mcqa.evaluation.pride import (
    describe_pride,
    divide_out,
    estimation_sample,
    mean_priors,
    pride,
)

PRIORS = {3: np.array([0.6, 0.3, 0.1]), 4: np.array([0.4, 0.3, 0.2, 0.1])}


def biased_run(n, seed=0):
    """Return what each option is worth to a model, and its scores with the letters' prior."""
    rng = np.random.default_rng(seed)
    worth = [rng.normal(size=3 + number % 2) for number in range(n)]
    scores = [row + np.log(PRIORS[len(row)]) for row in worth]
    sample = {}
    for place in range(0, n, 5):
        orders = choose_orders("cyclic", len(worth[place]))
        shown = [
            np.array(show(worth[place], order)) + np.log(PRIORS[len(order)]) for order in orders
        ]
        sample[place] = (orders, shown)
    return worth, pad(scores), sample


def test_the_prior_that_made_the_scores_is_found():
    _, _, sample = biased_run(40)
    for orders, shown in sample.values():
        np.testing.assert_allclose(mean_priors([shown])[len(orders)], PRIORS[len(orders)])
    priors = mean_priors(shown for _, shown in sample.values())
    assert list(priors) == [3, 4]
    np.testing.assert_allclose(priors[3], PRIORS[3])


def test_the_prior_is_the_normalised_geometric_mean_over_orders():
    shown = np.log([[0.8, 0.2], [0.5, 0.5]])
    a, b = (0.8 * 0.5) ** 0.5, (0.2 * 0.5) ** 0.5
    np.testing.assert_allclose(mean_priors([shown])[2], [a / (a + b), b / (a + b)])


def test_priors_of_several_questions_are_averaged():
    shown = [np.log([[0.9, 0.1]] * 2), np.log([[0.5, 0.5]] * 2), np.log([[0.2, 0.3, 0.5]] * 3)]
    priors = mean_priors(shown)
    np.testing.assert_allclose(priors[2], [0.7, 0.3])
    np.testing.assert_allclose(priors[3], [0.2, 0.3, 0.5])


def test_debiasing_restores_what_the_options_are_worth():
    worth, scores_NO, sample = biased_run(40)
    debiased_NO, priors = pride(scores_NO, sample)
    np.testing.assert_allclose(priors[4], PRIORS[4])
    best = [int(np.argmax(row)) for row in worth]
    biased, debiased = (
        Answers.from_scores([str(i) for i in range(40)], best, scores)
        for scores in (scores_NO, debiased_NO)
    )
    outside = np.array([place not in sample for place in range(40)])
    assert biased.correct[outside].mean() < 0.8
    assert debiased.correct[outside].all()
    np.testing.assert_allclose(debiased_NO[outside], log_softmax(pad(worth))[outside])


def test_questions_of_the_sample_take_the_mean_over_their_rotations():
    orders = choose_orders("cyclic", 2)
    # 0.9 and 0.2 for the first option, at the places A and B
    sample = {0: (orders, [np.log([0.9, 0.1]), np.log([0.8, 0.2])])}
    debiased_NO, _ = pride(np.log([[0.9, 0.1], [0.5, 0.5]]), sample)
    np.testing.assert_allclose(np.exp(debiased_NO[0]), [0.55, 0.45])


def test_rows_without_scores_stay_empty():
    assert np.isnan(divide_out(pad([None, (1.0, 2.0, 3.0)]), PRIORS)[0]).all()


def test_a_number_of_options_without_a_prior_is_refused():
    with pytest.raises(ConfigError, match="no prior for questions of 2 options, only of 3, 4"):
        divide_out(pad([(0.0, 1.0), (0.0, 1.0, 2.0)]), PRIORS)


def test_the_sample_takes_its_share_of_every_number_of_options():
    counts = [4] * 140 + [5] * 30 + [2]
    sample = estimation_sample(counts, seed=1)
    assert sample == sorted(set(sample))
    assert [sum(counts[place] == count for place in sample) for count in (4, 5, 2)] == [7, 2, 1]
    assert sample == estimation_sample(counts, seed=1)
    assert sample != estimation_sample(counts, seed=2)


def test_a_run_that_knows_but_prefers_a_letter_is_put_right():
    labels = [0, 1] * 20
    orders = [choose_orders("cyclic", 2)] * 40
    scores = []
    for label in labels:
        worth = [np.log(0.6 if option == label else 0.4) for option in range(2)]
        scores.append(
            [
                np.array(show(worth, order)) + np.log([0.8, 0.2])
                for order in choose_orders("cyclic", 2)
            ]
        )
    found = describe_pride(labels, orders, scores, seed=3)
    assert found["sample"] == {"n": 2, "share": 0.05, "seed": 3}
    assert found["priors"] == {"2": pytest.approx([0.8, 0.2])}
    assert [found[name]["value"] for name in ("raw", "debiased", "averaged")] == [0.5, 1, 1]
    gain = found["difference"]
    assert (gain["value"], gain["n"], gain["raw_only"], gain["debiased_only"]) == (0.5, 40, 0, 20)
    assert gain["p_value"] == pytest.approx(2 * 0.5**20)
    assert 0.3 < gain["ci95"][0] < 0.5 < gain["ci95"][1] < 0.7
