"""Paired tests of whether runs over the same questions differ by more than luck."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest, chi2, norm

from mcqa.errors import ConfigError
from mcqa.evaluation.resampling import CELLS


def mcnemar(a_only: int, b_only: int) -> float:
    """Return the exact (binomial) two-sided p-value of McNemar's test, 1 where none differ.

    Source:
        McNemar (1947), Sampling error of the difference between correlated proportions.
    """
    discordant = a_only + b_only
    return float(binomtest(b_only, discordant).pvalue) if discordant else 1.0


def sign_flip_test(
    difference_NK: np.ndarray,
    *,
    seed: int = 0,
    permutations: int = 10_000,
    cluster_N: np.ndarray | None = None,
) -> np.ndarray:
    """Return the two-sided p-values (K,) of paired permutation tests of K mean differences.

    Each toss draws the sign of each question's difference (b minus a; NaN does not count), with
    `cluster_N` (numbered from 0) of each group's. The p-value is the share of tosses, with the data
    counted among them, whose sum is at least as far from zero as that of the data. Where there are
    no more ways to toss than `permutations`, each is taken once, and the p-value is exact.

    Raises:
        ConfigError: `permutations` is less than 1.

    Source:
        Phipson and Smyth (2010), Permutation p-values should never be zero.
    """
    if permutations < 1:
        raise ConfigError(f"permutations is {permutations}; it must be at least 1.")
    sum_UK = np.nan_to_num(difference_NK)
    if cluster_N is not None:
        single_NK, units = sum_UK, int(cluster_N.max()) + 1
        sum_UK = np.zeros((units, single_NK.shape[1]))
        np.add.at(sum_UK, cluster_N, single_NK)
    sum_UK = sum_UK[(sum_UK != 0).any(1)]  # the sign of nothing changes nothing
    seen_K = np.abs(sum_UK.sum(0)) - 1e-9 * np.abs(sum_UK).sum(0)  # sums differ by rounding
    if 2 ** len(sum_UK) <= permutations:
        heads_RU = np.arange(2 ** len(sum_UK))[:, None] >> np.arange(len(sum_UK)) & 1
        tossed_RK = 2.0 * heads_RU @ sum_UK - sum_UK.sum(0)
        return (np.abs(tossed_RK) >= seen_K).mean(0)
    rng = np.random.default_rng(seed)
    rows = max(1, CELLS // max(1, len(sum_UK)))
    as_far_K = np.ones(sum_UK.shape[1])
    for start in range(0, permutations, rows):
        size = (min(rows, permutations - start), len(sum_UK))
        heads_RU = rng.integers(2, size=size, dtype=np.int8).astype(float)
        tossed_RK = 2 * heads_RU @ sum_UK - sum_UK.sum(0)
        as_far_K += (np.abs(tossed_RK) >= seen_K).sum(0)
    return as_far_K / (permutations + 1)


def minimum_detectable_difference(discordant: int, n: int) -> float | None:
    """Return the smallest accuracy difference that McNemar's test finds four times in five.

    With psi = discordant / n, the share of questions that just one run gets right, it solves
    sqrt(n) d = z_alpha sqrt(psi) + z_power sqrt(psi - d^2). None where not even psi would be found.

    Source:
        Connor (1987), Sample size for testing differences in proportions for the paired-sample
        design, solved for the difference.
    """
    z_alpha, z_power = norm.ppf(1 - 0.05 / 2), norm.ppf(0.8)
    psi = discordant / n
    # squared: (n + z_power²) d² - 2 z_alpha sqrt(n psi) d + (z_alpha² - z_power²) psi = 0
    half = z_alpha * math.sqrt(n * psi)
    root = half**2 - (n + z_power**2) * (z_alpha**2 - z_power**2) * psi
    if discordant == 0 or root < 0:
        return None
    detectable = float((half + math.sqrt(root)) / (n + z_power**2))
    return detectable if detectable <= psi else None


def cochran_q(correct_NK: np.ndarray) -> tuple[float, float]:
    """Return Cochran's Q of K runs' right answers, and its p-value from chi-squared.

    Raises:
        ConfigError: there are fewer than two runs.

    Source:
        Cochran (1950), The comparison of percentages in matched samples.
    """
    correct_NK = np.asarray(correct_NK, dtype=float)
    runs = correct_NK.shape[1]
    if runs < 2:
        raise ConfigError(f"cochran_q: {runs} run; it compares at least 2.")
    right_K, right_N = correct_NK.sum(0), correct_NK.sum(1)
    below = (right_N * (runs - right_N)).sum()
    if below == 0:
        return 0.0, 1.0
    q = runs * (runs - 1) * ((right_K - right_K.mean()) ** 2).sum() / below
    return float(q), float(chi2.sf(q, runs - 1))


def cochran_permutation(
    correct_NK: np.ndarray, cluster_N: np.ndarray, *, seed: int = 0, permutations: int = 10_000
) -> float:
    """Return the p-value of Cochran's Q where the runs change places within whole groups.

    Permuting the runs leaves the denominator of Q as it is, so the spread of their sums is enough.
    """
    runs = correct_NK.shape[1]
    sum_GK = np.zeros((int(cluster_N.max()) + 1, runs))
    np.add.at(sum_GK, cluster_N, correct_NK.astype(float))
    mean = sum_GK.sum() / runs
    seen = ((sum_GK.sum(0) - mean) ** 2).sum() * (1 - 1e-9)
    rng, as_far = np.random.default_rng(seed), 1
    rows = max(1, CELLS // sum_GK.size)
    for start in range(0, permutations, rows):
        size = (min(rows, permutations - start), *sum_GK.shape)
        total_RK = rng.permuted(np.broadcast_to(sum_GK, size), axis=2).sum(1)
        as_far += int((((total_RK - mean) ** 2).sum(1) >= seen).sum())
    return as_far / (permutations + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (the family-wise error), in the order given.

    Source:
        Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors)
    return np.minimum(1.0, corrected).tolist()
