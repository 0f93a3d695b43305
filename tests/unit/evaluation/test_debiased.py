"""The debiased calibration error: unbiased squares, and an interval that covers. Seeded."""

import numpy as np
import pytest

from mcqa.evaluation.confidence import calibration_error, equal_mass_edges
from mcqa.evaluation.debiased import debiased_calibration_error
from mcqa.evaluation.resampling import bootstrap, interval, observed

TRIALS = 300  # the share of them that an interval of 95% covers has a standard error of 1.3 points
TOO_SURE = {0.0: 0.0, 0.03: 0.03, 0.1: 0.1}  # by how much, and so the true error


def draw(rng, n, too_sure):
    """Return confidences and whether each answer is right."""
    confidence = 0.2 + 0.8 * rng.beta(4, 2, size=n)
    return confidence, rng.random(n) < np.clip(confidence - too_sure, 0, 1)


@pytest.mark.parametrize("n", [60, 300])
@pytest.mark.parametrize("too_sure", TOO_SURE)
def test_the_interval_covers_the_true_error_and_the_value(n, too_sure):
    rng = np.random.default_rng(n)
    covered, holds = 0, 0
    for _ in range(TRIALS):
        found = debiased_calibration_error(*draw(rng, n, too_sure))
        low, high = found["ci95"]
        covered += low <= TOO_SURE[too_sure] <= high
        holds += low <= found["value"] <= high
    assert holds == TRIALS
    assert 0.92 <= covered / TRIALS <= 1.0 - 0.02 * (too_sure > 0)


def test_the_intervals_that_were_reported_before_do_not_cover():
    rng, trials = np.random.default_rng(0), 100
    covered = {"percentile": 0, "basic": 0}
    for trial in range(trials):
        confidence, right = draw(rng, 300, 0.0)
        edges = equal_mass_edges(confidence)
        statistic = calibration_error("ece", confidence, right, edges)
        draws = bootstrap(statistic, 300, seed=trial, resamples=200)["ece"]
        value = observed(statistic, 300)["ece"]
        covered["percentile"] += interval(draws)[0] <= 0
        covered["basic"] += 2 * value - np.quantile(draws, 0.975) <= 0
    assert covered["percentile"] == 0
    assert covered["basic"] / trials < 0.6


@pytest.mark.parametrize("too_sure", TOO_SURE)
def test_the_square_is_unbiased(too_sure):
    rng = np.random.default_rng(1)
    squares = [
        debiased_calibration_error(*draw(rng, 150, too_sure))["squared"] for _ in range(1000)
    ]
    truth, error = TOO_SURE[too_sure] ** 2, np.std(squares) / len(squares) ** 0.5
    assert abs(np.mean(squares) - truth) < 3 * error + 2e-4 * (too_sure > 0)


def test_answers_of_one_unit_are_one_piece_of_evidence():
    confidence, right = draw(np.random.default_rng(2), 200, 0.05)
    confidence = confidence.round(1)  # so that the bins are the same when all are there twice
    alone = debiased_calibration_error(confidence, right)
    twice = np.repeat(confidence, 2), np.repeat(right, 2)
    grouped = debiased_calibration_error(*twice, np.repeat(np.arange(200), 2))
    assert grouped["squared"] == pytest.approx(alone["squared"])
    assert grouped["ci95"] == pytest.approx(alone["ci95"])
    apart = debiased_calibration_error(*twice)
    assert apart["squared"] > alone["squared"]
    assert np.diff(apart["ci95"]) < np.diff(alone["ci95"])


def test_an_interval_over_groups_covers_where_one_over_answers_does_not():
    rng, trials, groups, size = np.random.default_rng(3), 200, 80, 5
    unit = np.repeat(np.arange(groups), size)
    covered = {"groups": 0, "answers": 0}
    for _ in range(trials):
        # one fact, known or not, asked five times with one confidence
        of_group = rng.uniform(0.3, 0.95, size=groups)
        right = np.repeat(rng.random(groups) < of_group, size)
        sure = np.repeat(of_group, size)
        for name, units in (("groups", unit), ("answers", None)):
            covered[name] += debiased_calibration_error(sure, right, units)["ci95"][0] == 0
    assert covered["groups"] / trials > 0.93
    assert covered["answers"] / trials < 0.5


def test_too_few_answers_have_no_interval():
    assert debiased_calibration_error(*draw(np.random.default_rng(4), 59, 0.0))["ci95"] is None
    certain = debiased_calibration_error(np.ones(100), np.ones(100, dtype=bool))
    assert certain == {"value": 0.0, "squared": 0.0, "ci95": None}


@pytest.mark.parametrize("rest", [1, 2, 40])
def test_gaps_far_above_the_noise_have_a_narrow_interval(rest):
    """Answers that are all but one as sure and as wrong, of which chi-squared's tails make NaN."""
    confidence = np.full(2000, 0.9) + 1e-9 * (np.arange(2000) % rest)
    found = debiased_calibration_error(confidence, np.arange(2000) < 1)
    low, high = found["ci95"]
    assert low < found["value"] < high
    assert found["value"] == pytest.approx(0.9, abs=0.01)
    assert high - low < 0.02


def test_the_square_is_that_computed_by_hand():
    # one bin: the gaps' mean is 0.1, and the variance of that mean is taken off its square
    found = debiased_calibration_error(np.full(5, 0.5), np.array([1, 1, 1, 0, 0], dtype=bool))
    assert found["squared"] == pytest.approx(0.1**2 - (0.25 - 0.1**2) / 4)
    assert found["value"] == 0.0
