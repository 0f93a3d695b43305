import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from mcqa.errors import ComparisonError, ConfigError
from mcqa.evaluation.answers import Answers, log_softmax
from mcqa.evaluation.fitting import (
    apply_temperature,
    average,
    describe_calibration,
    fit_stack,
    fit_temperature,
    stack,
)
from mcqa.evaluation.quality import question_values


def overconfident(n, temperature, seed=0):
    """Return answers whose labels are drawn from the softmax of the scores over `temperature`."""
    rng = np.random.default_rng(seed)
    scores_NO = rng.normal(scale=2 * temperature, size=(n, 4))
    scores_NO[rng.random(n) < 0.5, 3] = np.nan
    probability_NO = np.nan_to_num(np.exp(log_softmax(scores_NO / temperature)))
    label_N = (rng.random((n, 1)) > np.cumsum(probability_NO, axis=1)).sum(1)
    return Answers.from_scores([str(i) for i in range(n)], label_N, scores_NO)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 20.0])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    fitted = fit_temperature(overconfident(20_000, temperature))
    assert fitted["temperature"] == pytest.approx(temperature, rel=0.04)
    assert (fitted["n"], fitted["at_bound"]) == (20_000, False)


@pytest.mark.parametrize("seed", range(3))
def test_no_temperature_is_likelier(seed):
    answers = overconfident(150, 3.0, seed)

    def loss(log_temperature):
        run = apply_temperature(answers, np.exp(log_temperature))
        return question_values(run)["nll"].mean()

    best = minimize_scalar(loss, bounds=(-4, 6), method="bounded", options={"xatol": 1e-9})
    assert fit_temperature(answers)["temperature"] == pytest.approx(np.exp(best.x), rel=1e-5)


def test_a_temperature_changes_confidence_and_no_choice(random_answers):
    answers = random_answers(50, unscored=0.2)
    cooler = apply_temperature(answers, 2.0)
    assert (cooler.choices == answers.choices).all()
    known = answers.scored
    assert (cooler.confidence[known] <= answers.confidence[known]).all()
    assert np.isnan(cooler.confidence[~known]).all()


def test_a_temperature_divides_the_scores():
    answers = Answers.from_scores("a", [0], np.array([[np.log(9), 0.0]]))
    np.testing.assert_allclose(
        np.exp(apply_temperature(answers, 2.0).log_probabilities), [[0.75, 0.25]]
    )


@pytest.mark.parametrize(("label", "temperature"), [(0, 0.01), (1, 1000.0)])
def test_a_best_temperature_out_of_bounds_is_said_to_be(label, temperature):
    answers = Answers.from_scores("ab", [label] * 2, np.array([[1.0, 0.0], [2.0, 0.0]]))
    fitted = fit_temperature(answers)
    assert fitted == {"temperature": temperature, "n": 2, "at_bound": True}


def test_answers_without_scores_are_left_out(random_answers):
    mixed = random_answers(200, unscored=0.4)
    assert fit_temperature(mixed) == fit_temperature(mixed.take(mixed.scored))
    with pytest.raises(ConfigError, match="fitted on scores"):
        fit_temperature(mixed.take(~mixed.scored))


def test_a_description_tells_before_from_after():
    validation, test = overconfident(2000, 4.0, seed=1), overconfident(1000, 4.0, seed=2)
    temperature = fit_temperature(validation)["temperature"]
    result = describe_calibration(test, temperature, resamples=50)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert (result["n"], result["temperature"]) == (1000, temperature)
    for name in ("nll", "brier", "ece", "ece_equal_mass", "ece_debiased"):
        before, after = result["before"][name], result["after"][name]
        if before["ci95"]:
            assert after["ci95"][1] < before["ci95"][0], name
        assert after["value"] < before["value"], name
        assert before["n"] == after["n"] == 1000
    assert result["before"]["reliability"] != result["after"]["reliability"]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_zero_is_refused(random_answers, temperature):
    with pytest.raises(ConfigError, match="above 0"):
        apply_temperature(random_answers(3), temperature)


def two_views(n, options, seed=0):
    """Return two runs that each see the right option through a noise of their own."""
    rng = np.random.default_rng(seed)
    label_N = rng.integers(options, size=n)
    gold_NO = label_N[:, None] == np.arange(options)
    ids = [str(number) for number in range(n)]
    return tuple(
        Answers.from_scores(ids, label_N, strength * gold_NO + rng.normal(size=(n, options)))
        for strength in (1.0, 1.5)
    )


def mean_loss(answers):
    return question_values(answers)["nll"].mean()


def test_the_average_is_that_of_the_probabilities(answers_of):
    a = answers_of([0, 1], [(0.6, 0.4), (0.1, 0.2, 0.7)])
    b = answers_of([0, 1], [(0.1, 0.9), (0.1, 0.8, 0.1)])
    both = average(a, b)
    np.testing.assert_allclose(
        np.exp(both.log_probabilities), [[0.35, 0.65, np.nan], [0.1, 0.5, 0.4]]
    )
    assert both.choices.tolist() == [1, 1]
    assert both.ids == a.ids


def test_two_options_are_stacked_as_scikit_learns_logistic_regression_does():
    a, b = two_views(400, options=2)
    weights = fit_stack(a, b)
    odds_N2 = np.column_stack([np.diff(run.log_probabilities)[:, 0] for run in (a, b)])
    peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(odds_N2, a.labels)
    assert [weights["weight_a"], weights["weight_b"]] == pytest.approx(peer.coef_[0], rel=1e-3)
    assert weights["n"] == 400


def test_no_other_weights_are_likelier(random_answers):
    a, b = random_answers(200, seed=1), random_answers(200, seed=2)
    fitted = fit_stack(a, b)
    wa, wb = fitted["weight_a"], fitted["weight_b"]
    best = mean_loss(stack(a, b, weight_a=wa, weight_b=wb))
    for step in (-0.01, 0.01):
        assert mean_loss(stack(a, b, weight_a=wa + step, weight_b=wb)) > best
        assert mean_loss(stack(a, b, weight_a=wa, weight_b=wb + step)) > best
    assert best < min(mean_loss(run) for run in (a, b, average(a, b)))


def test_the_weights_that_made_the_labels_are_found():
    rng = np.random.default_rng(0)
    ids, nobody = [str(i) for i in range(20_000)], np.zeros(20_000, dtype=int)
    runs = [Answers.from_scores(ids, nobody, rng.normal(size=(20_000, 4))) for _ in range(2)]
    mixed = stack(*runs, weight_a=0.8, weight_b=1.7)
    drawn = np.cumsum(np.exp(mixed.log_probabilities), axis=1)
    labels = (rng.random((20_000, 1)) > drawn).sum(1)
    a, b = (Answers.from_scores(ids, labels, run.log_probabilities) for run in runs)
    weights = fit_stack(a, b)
    assert (weights["weight_a"], weights["weight_b"]) == pytest.approx((0.8, 1.7), abs=0.06)


def test_weight_one_and_zero_give_one_run_back(random_answers):
    a, b = random_answers(40, seed=1), random_answers(40, seed=2)
    alone = stack(a, b, weight_a=1.0, weight_b=0.0)
    np.testing.assert_allclose(alone.log_probabilities, a.log_probabilities)


def test_separable_answers_stop_at_the_bound(answers_of):
    a = answers_of([0, 1], [(0.9, 0.1), (0.1, 0.9)])
    weights = fit_stack(a, a)
    assert 0 < weights["weight_a"] <= 100
    assert np.isfinite(list(weights.values())).all()


def test_runs_that_cannot_be_combined_are_refused(random_answers, answers_of):
    a = random_answers(20)
    with pytest.raises(ConfigError, match="has no scores in the second run"):
        average(a, random_answers(20, unscored=0.5))
    with pytest.raises(ComparisonError, match="not aligned"):
        fit_stack(a, random_answers(21))
    with pytest.raises(ConfigError, match="'q0' has 2 options in the first run and 3"):
        stack(
            answers_of([0], [(0.5, 0.5)]),
            answers_of([0], [(0.4, 0.3, 0.3)]),
            weight_a=1.0,
            weight_b=1.0,
        )
