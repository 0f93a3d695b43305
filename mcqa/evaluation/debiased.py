"""How far confidence lies from accuracy without what noise adds, and an interval that covers.

In each of 15 bins of about one size the gap between accuracy and mean confidence is a true gap
plus noise. Squares of gaps add the noise's variance, which is estimated and taken off: the mean
square over the questions is then unbiased, and below 0 about every second time that a run is
calibrated. Average squares over runs, never their roots, which are cut at 0.

The interval holds the mean squares that a test at 2.5% a side does not reject: the sum of squares
of normal gaps is taken as a noncentral chi-squared variable with its mean and variance.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2, norm

from mcqa.evaluation.confidence import bins_of, equal_mass_edges

FEWEST = 60  # questions, or groups of them, from which on the interval covers: docs/evaluation.md
ROUNDING = 1e-20  # what is left of no noise at all
SIGNIFICANT = 2.0  # standard errors of noise, from which on the gaps tell their own variance
NORMAL = 1e4  # degrees of freedom and noncentrality, from which on the sum of squares is normal


def debiased_calibration_error(
    probability_M: np.ndarray, true_M: np.ndarray, unit_M: np.ndarray | None = None
) -> dict:
    """Return the root mean square of the bins' gaps between what is said and what comes true.

    Args:
        probability_M: confidences of M answers, or probabilities of M options; none is NaN.
        true_M: whether each is right.
        unit_M: of each the number, from 0, of the question or group that it belongs to; what is in
            one is no independent evidence. None where each stands alone.

    Returns:
        `value`, the root, 0 where noise explains all; `squared`, the unbiased mean square; and
        `ci95` of the root, for new answers of this kind, None with fewer than `FEWEST` units or
        without any noise.

    Source:
        Kumar, Liang and Ma (2019), Verified uncertainty calibration, arXiv 1909.10155, for the
        unbiased square.
    """
    bin_M = bins_of(probability_M, equal_mass_edges(probability_M))
    bin_M = np.unique(bin_M, return_inverse=True)[1]
    unit_M = np.arange(len(bin_M)) if unit_M is None else np.unique(unit_M, return_inverse=True)[1]
    gap_M, count_B = true_M - probability_M, np.bincount(bin_M)
    total_B = np.bincount(bin_M, gap_M)
    # so scaled, the squared sums add up to the mean square
    scale_B = 1 / np.sqrt(count_B * len(gap_M))
    residual_M = gap_M - (total_B / count_B)[bin_M]
    noise_BB = _covariance(residual_M * scale_B[bin_M], bin_M, unit_M)
    sum_B = total_B * scale_B
    squared = float(sum_B @ sum_B - np.trace(noise_BB))
    ci95 = _interval(sum_B, noise_BB) if unit_M.max() + 1 >= FEWEST else None
    return {"value": float(np.sqrt(max(0.0, squared))), "squared": squared, "ci95": ci95}


def _covariance(residual_M: np.ndarray, bin_M: np.ndarray, unit_M: np.ndarray) -> np.ndarray:
    """Return (B, B) the covariance of the bins' sums, of independent units."""
    shape = unit_M.max() + 1, bin_M.max() + 1
    sum_UB, has_UB = np.zeros(shape), np.zeros(shape, dtype=bool)
    np.add.at(sum_UB, (unit_M, bin_M), residual_M)
    has_UB[unit_M, bin_M] = True
    # a bin of one unit tells no variance, and counts as without
    units_B = has_UB.sum(0)
    sum_UB *= np.sqrt(units_B / np.maximum(units_B - 1, 1))
    return sum_UB.T @ sum_UB


def _interval(sum_B: np.ndarray, noise_BB: np.ndarray) -> list[float] | None:
    """Return the roots of the mean squares at which that of the sums is no surprise."""
    noise, spread = float(np.trace(noise_BB)), float(np.trace(noise_BB @ noise_BB))
    if noise < ROUNDING:
        return None
    # gaps smaller than noise makes them are luck, and no reason for a narrower interval
    seen = max(float(sum_B @ sum_B), noise)
    scale = spread / noise  # of the chi-squared variable that the sum is without true gaps
    # a true mean square adds 4 x slope x itself to the variance; noise alone does not tell how much
    slope, squared = scale, seen - noise
    if squared > SIGNIFICANT * np.sqrt(2 * spread):
        slope = max(0.0, float(sum_B @ noise_BB @ sum_B) - spread) / squared

    def not_above(true: float) -> float:
        """Return how likely the sum of squares is at most that seen."""
        if true == 0:
            return float(chi2.cdf(seen / scale, noise / scale))
        expected, sd = noise + true, np.sqrt(2 * spread + 4 * slope * true)
        if expected > NORMAL * scale:
            return float(norm.cdf((seen - expected) / sd))
        of_model = np.sqrt(2 * spread + 4 * scale * true)
        at = expected + (seen - expected) * of_model / sd
        return float(ncx2.cdf(at / scale, noise / scale, true / scale))

    def solve(level: float) -> float:
        if not_above(0.0) <= level:
            return 0.0
        high = seen
        while not_above(high) > level:
            high *= 2
        return brentq(lambda true: not_above(true) - level, 0.0, high)

    return [float(np.sqrt(solve(level))) for level in (0.975, 0.025)]
