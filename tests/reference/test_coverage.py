"""Do 95% intervals hold the truth 95 times in 100? Simulated, seeded."""

import numpy as np
import pytest

from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.resampling import bootstrap, bootstrap_accuracy_gain, interval, means

TRIALS = 4000
"""The share of them that an interval of 95% covers has a standard error of 0.34 points."""


@pytest.mark.parametrize("n", [200, 2000])
def test_intervals_of_accuracy_cover_the_truth(n):
    rng = np.random.default_rng(n)
    # the coverage of one accuracy jumps with n, as counts are whole: take many accuracies
    truth = rng.uniform(0.25, 0.95, size=TRIALS)
    right = rng.binomial(n, truth)
    low, high = np.array([wilson_interval(int(successes), n) for successes in right]).T
    covered = np.mean((low <= truth) & (truth <= high))
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("n", [200, 2000])
def test_intervals_of_a_paired_difference_cover_the_truth(n):
    rng = np.random.default_rng(n)
    a_only, b_only = rng.uniform(0.05, 0.2, size=(2, TRIALS))
    counts = rng.multinomial(n, np.column_stack([a_only, b_only, 1 - a_only - b_only]))
    covered = 0
    for trial, (a_count, b_count, _) in enumerate(counts):
        draws = bootstrap_accuracy_gain(a_count, b_count, n, seed=trial, resamples=1000)
        low, high = interval(draws)
        covered += low <= b_only[trial] - a_only[trial] <= high
    assert 0.93 <= covered / TRIALS <= 0.97


@pytest.mark.parametrize("n", [200, 2000])
def test_intervals_of_a_mean_loss_cover_the_truth(n):
    trials = 1000 if n == 200 else 300
    rng = np.random.default_rng(n)
    covered = 0
    for trial in range(trials):
        losses = rng.gamma(2.0, 0.5, size=n)  # skewed, as losses are; mean 1
        draws = bootstrap(means({"nll": losses}), n, seed=trial, resamples=200)
        low, high = interval(draws["nll"])
        covered += low <= 1.0 <= high
    assert 0.92 <= covered / trials <= 0.98


def test_intervals_over_groups_cover_the_truth_where_those_over_questions_do_not():
    trials, groups, size = 500, 100, 5
    cluster_N = np.repeat(np.arange(groups), size)
    rng = np.random.default_rng(0)
    covered = {"questions": 0, "groups": 0}
    for trial in range(trials):
        of_group = rng.normal(size=groups)
        gains = means({"gain": of_group[cluster_N] + rng.normal(size=groups * size)})
        for name, clusters in (("questions", None), ("groups", cluster_N)):
            draws = bootstrap(gains, groups * size, seed=trial, resamples=300, cluster_N=clusters)
            low, high = interval(draws["gain"])
            covered[name] += low <= 0.0 <= high
    assert 0.92 <= covered["groups"] / trials <= 0.98
    assert covered["questions"] / trials < 0.8
