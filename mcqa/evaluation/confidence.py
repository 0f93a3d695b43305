"""Does a run know when it is right? Calibration, ranking by confidence, answering only some.

Confidence is the probability of the likeliest option, NaN of answers that do not count. Equal ones
share a bin, are kept or declined together, and count in all orders. The trap: noise alone makes the
expected calibration error positive, of a perfectly calibrated run about 0.03 with 1,200 questions
and 15 bins, 0.06 with 300: compare it over the same questions.
"""

import numpy as np

from mcqa.evaluation.metrics import share, wilson_interval
from mcqa.evaluation.resampling import Statistic, concatenate, divide
from mcqa.evaluation.table import COVERAGES

BINS = 15
CACHED = 200_000  # how many weights to sort at once: they and what is made of them fit a cache


def equal_width_edges(confidence_N: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the edges of bins that cut 0 to 1 into parts of one width, one more than bins.

    Source:
        Guo et al. (2017), On calibration of modern neural networks, arXiv 1706.04599.
    """
    return np.linspace(0, 1, bins + 1)


def equal_mass_edges(confidence_N: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the edges of bins that cut the confidences into parts of about as many questions each.

    Equal confidences share a bin: there can be fewer, of different sizes, and the last be empty.

    Source:
        Nixon et al. (2019), Measuring calibration in deep learning, arXiv 1904.01685.
    """
    shares = np.linspace(0, 1, bins + 1)[1:-1]
    # an edge that lies between two confidences parts as many as one on the lower of them
    inner = np.unique(np.quantile(confidence_N, shares, method="lower"))
    return np.array([confidence_N.min(), *inner, confidence_N.max()])


def bins_of(confidence_N: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the number, from 0, of the bin (low, high] that holds each confidence."""
    return np.searchsorted(edges[1:-1], confidence_N, side="left")


def reliability(confidence_N: np.ndarray, correct_N: np.ndarray, edges: np.ndarray) -> list[dict]:
    """Return the points of a reliability plot, one per bin that is not empty; all answers count."""
    bin_N, points = bins_of(confidence_N, edges), []
    for number in np.unique(bin_N):
        inside_N = bin_N == number
        n, right = int(inside_N.sum()), int(correct_N[inside_N].sum())
        points.append(
            {
                "low": float(edges[number]),
                "high": float(edges[number + 1]),
                "n": n,
                "confidence": float(confidence_N[inside_N].mean()),
                "accuracy": right / n,
                "ci95": wilson_interval(right, n),
            }
        )
    return points


def calibration_error(
    name: str, confidence_N: np.ndarray, correct_N: np.ndarray, edges: np.ndarray
) -> Statistic:
    """Return the statistic of an expected calibration error, under this name.

    It is the questions' mean gap between accuracy and mean confidence in the bins of the data.
    """
    scored_N, bin_N = ~np.isnan(confidence_N), bins_of(confidence_N, edges)
    gap_N = np.where(scored_N, correct_N - confidence_N, 0.0)
    gap_NM = gap_N[:, None] * (bin_N[:, None] == np.unique(bin_N[scored_N]))
    return _gaps(name, gap_NM, scored_N)


def option_calibration_error(
    name: str, probability_NO: np.ndarray, right_NO: np.ndarray, edges: np.ndarray
) -> Statistic:
    """Return the same of options that are each right or not, NaN where there is none.

    It is the options' mean gap between how many are right and their mean probability. Resampled are
    questions, with all their options.
    """
    exists_NO, bin_NO = ~np.isnan(probability_NO), bins_of(probability_NO, edges)
    gap_NO = np.where(exists_NO, right_NO - probability_NO, 0.0)
    bins = np.unique(bin_NO[exists_NO])
    gap_NM = np.column_stack([(gap_NO * (bin_NO == number)).sum(1) for number in bins])
    return _gaps(name, gap_NM, exists_NO.sum(1))


def _gaps(name: str, gap_NM: np.ndarray, count_N: np.ndarray) -> Statistic:
    """Return the statistic of gaps that are summed in each bin, over how many they are."""
    column_NM = np.column_stack([gap_NM, count_N])

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        total_RM = weight_RN @ column_NM
        return {name: divide(np.abs(total_RM[:, :-1]).sum(1), total_RM[:, -1])}

    return statistic


def selective(confidence_N: np.ndarray, correct_N: np.ndarray) -> Statistic:
    """Return the statistic of what ranking the answers by confidence is worth: see METRICS.

    The weights must be whole numbers. In `auroc`, not defined where all or none are right, a tie
    counts half; `aurc` is the mean over k of the error among the k most confident; `accuracy_at_`
    is of as few of the most confident answers as make that percentage of all.

    Source:
        Geifman and El-Yaniv (2017), Selective classification for deep neural networks,
        arXiv 1705.08500.
    """
    place_N, last_T = ties(confidence_N)
    sorted_correct_N = correct_N[place_N].astype(float)
    rows = max(1, CACHED // max(1, len(place_N)))

    def some_rows(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        weight_RN = weight_RN[:, place_N]
        kept_RT = np.cumsum(weight_RN, axis=1)[:, last_T]
        weight_RN *= sorted_correct_N
        right_RT = np.cumsum(weight_RN, axis=1)[:, last_T]
        values = {"auroc": auroc(kept_RT, right_RT), "aurc": _aurc(kept_RT, right_RT)}
        for percent in COVERAGES:
            too_few_RT = kept_RT < percent / 100 * kept_RT[:, -1:] * (1 - 1e-9)
            at = np.arange(len(kept_RT)), too_few_RT.sum(1)
            values[f"accuracy_at_{percent}"] = divide(right_RT[at], kept_RT[at])
        return values

    return lambda weight_RN: concatenate(
        some_rows(weight_RN[start : start + rows]) for start in range(0, len(weight_RN), rows)
    )


def risk_coverage(confidence_N: np.ndarray, correct_N: np.ndarray) -> dict[str, np.ndarray]:
    """Return the curve of what is wrong among the answers above each confidence.

    (T,) arrays, from the most confident `threshold` on: `n`, how many answers reach it; `right`,
    how many of these are; `coverage`, their share of all; `risk`, the share that is wrong.
    """
    place_N, last_T = ties(confidence_N)
    n_T, right_T = last_T + 1, np.cumsum(correct_N[place_N].astype(int))[last_T]
    return {
        "threshold": confidence_N[place_N[last_T]],
        "n": n_T,
        "right": right_T,
        "coverage": n_T / len(place_N),
        "risk": 1 - right_T / n_T,
    }


def accuracy_at_coverage(curve: dict[str, np.ndarray], percent: int) -> dict:
    """Return the accuracy on a curve of `risk_coverage` at the least coverage from `percent` on."""
    place = int(np.argmax(curve["coverage"] >= percent / 100 - 1e-9))
    at = {key: float(curve[key][place]) for key in ("coverage", "threshold")}
    return {**share(int(curve["right"][place]), int(curve["n"][place])), **at}


def ties(confidence_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which answers count, the most confident first, and where each tie of them ends."""
    place_N = np.flatnonzero(~np.isnan(confidence_N))
    place_N = place_N[np.argsort(-confidence_N[place_N], kind="stable")]
    sorted_N = confidence_N[place_N]
    return place_N, np.flatnonzero(np.append(sorted_N[1:] != sorted_N[:-1], True))


def auroc(kept_RT: np.ndarray, right_RT: np.ndarray) -> np.ndarray:
    """Return how often a right answer ranks above a wrong one, a tie counting half.

    Take how many answers are at least as confident as each threshold, and how many right."""
    new_right_RT, wrong_RT = np.diff(right_RT, prepend=0), kept_RT - right_RT
    # a right answer beats the wrong ones behind its tie, and half of those within
    wrong_before_RT = wrong_RT - np.diff(wrong_RT, prepend=0)
    lost_R = (new_right_RT * (wrong_RT + wrong_before_RT)).sum(1) / 2
    pairs_R = right_RT[:, -1] * wrong_RT[:, -1]
    return divide(pairs_R - lost_R, pairs_R)


def _aurc(kept_RT: np.ndarray, right_RT: np.ndarray) -> np.ndarray:
    """Return the mean over k = 1..n of the expected error among the k most confident.

    Within a tie of m answers, of which e are wrong, behind s answers, of which E are wrong, the
    k-th risk is (E + (k - s) e / m) / k. Summed over the tie, with harmonic numbers H, that is
    e + (E - s e / m) (H[s + m] - H[s]).
    """
    wrong_RT = kept_RT - right_RT
    m_RT, e_RT = np.diff(kept_RT, prepend=0), np.diff(wrong_RT, prepend=0)
    harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, kept_RT.max() + 1)))
    spread_RT = np.diff(harmonic[kept_RT.astype(np.intp)], prepend=0)
    rate_RT = e_RT / np.maximum(m_RT, 1)  # of a tie that was not drawn, both are 0
    level_RT = wrong_RT - e_RT - (kept_RT - m_RT) * rate_RT
    return divide(wrong_RT[:, -1] + (level_RT * spread_RT).sum(1), kept_RT[:, -1])
