"""The statistics against formulas, exact counts, published tables and plain implementations."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy.stats import chisquare, ks_2samp

from mcqa.evaluation.comparison import compare, mcnemar
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.resampling import bootstrap_accuracy_gain

Z95 = 1.959963984540054


def wilson_by_hand(successes, n):
    p = successes / n
    centre = p + Z95**2 / (2 * n)
    half = Z95 * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return (centre - half) / (1 + Z95**2 / n), (centre + half) / (1 + Z95**2 / n)


def resample_the_questions(right_a_N, right_b_N, seed, resamples):
    """Return bootstrap differences the plain way: draw questions with replacement, average."""
    rng = np.random.default_rng(seed)
    gain_N = np.asarray(right_b_N, dtype=float) - np.asarray(right_a_N, dtype=float)
    n = len(gain_N)
    return np.array([gain_N[rng.integers(0, n, size=n)].mean() for _ in range(resamples)])


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_matches_the_published_table(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [1, 2, 7, 300, 1221])
def test_wilson_interval_matches_its_formula(n):
    for successes in {0, 1, n // 3, n - 1, n}:
        expected = wilson_by_hand(successes, n)
        assert wilson_interval(successes, n) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("a_only", "b_only", "p_value"),
    [(1, 9, 0.021484375), (9, 1, 0.021484375), (0, 5, 0.0625), (0, 6, 0.03125), (4, 4, 1.0)],
)
def test_mcnemar_matches_p_values_computed_by_hand(a_only, b_only, p_value):
    assert mcnemar(a_only, b_only) == pytest.approx(p_value, rel=1e-12)


def test_mcnemar_is_the_doubled_binomial_tail():
    for a_only, b_only in product(range(25), repeat=2):
        total = a_only + b_only
        tail = sum(math.comb(total, k) for k in range(min(a_only, b_only) + 1)) / 2**total
        assert mcnemar(a_only, b_only) == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_bootstrap_has_the_exact_distribution_of_resampled_questions():
    gains = (1, 1, -1, 0, 0)
    exact = Counter(sum(drawn) for drawn in product(gains, repeat=5))
    draws = 100_000
    differences = bootstrap_accuracy_gain(1, 2, 5, seed=0, resamples=draws)
    seen = Counter(np.rint(differences * 5).astype(int).tolist())
    assert seen.keys() <= exact.keys()
    values = sorted(exact)
    expected = [exact[value] / 5**5 * draws for value in values]
    assert chisquare([seen[value] for value in values], expected).pvalue > 0.01


def test_bootstrap_agrees_with_resampling_the_questions_one_by_one():
    rng = np.random.default_rng(5)
    right_a_N, right_b_N = rng.random(300) < 0.5, rng.random(300) < 0.56
    a_only = int((right_a_N & ~right_b_N).sum())
    b_only = int((right_b_N & ~right_a_N).sum())
    plain = resample_the_questions(right_a_N, right_b_N, seed=1, resamples=10_000)
    drawn = bootstrap_accuracy_gain(a_only, b_only, 300, seed=2, resamples=10_000)
    assert ks_2samp(plain, drawn).pvalue > 0.01
    assert np.quantile(drawn, (0.025, 0.975)) == pytest.approx(
        np.quantile(plain, (0.025, 0.975)), abs=0.005
    )


@pytest.mark.parametrize(("a_only", "b_only", "n"), [(20, 33, 300), (0, 7, 50), (120, 90, 1221)])
def test_bootstrap_has_the_mean_and_spread_that_theory_gives(a_only, b_only, n):
    differences = bootstrap_accuracy_gain(a_only, b_only, n, seed=0, resamples=100_000)
    mean = (b_only - a_only) / n
    deviation = math.sqrt(((a_only + b_only) / n - mean**2) / n)
    assert differences.mean() == pytest.approx(mean, abs=5 * deviation / math.sqrt(100_000))
    assert differences.std() == pytest.approx(deviation, rel=0.02)


def test_interval_of_a_comparison_is_the_plain_percentile_interval():
    rng = np.random.default_rng(7)
    right_a_N, right_b_N = rng.random(200) < 0.4, rng.random(200) < 0.5
    result = compare(right_a_N, right_b_N, ("a", "b"), seed=1)
    assert result["difference"] == pytest.approx(right_b_N.mean() - right_a_N.mean())
    plain = resample_the_questions(right_a_N, right_b_N, seed=3, resamples=10_000)
    assert result["difference_ci95"] == pytest.approx(
        np.quantile(plain, (0.025, 0.975)), abs=0.0076
    )
