"""Intervals where questions come in groups that are no independent evidence: facts, passages.

The trap: few groups tell little, however many questions they have. Below `FEWEST` there is no
interval, for not even groups that all agree could be told from luck; below `FEW` it is rough.
"""

import math

import numpy as np
from scipy.stats import t

from mcqa.evaluation.metrics import share
from mcqa.evaluation.resampling import FEWEST, count_groups

FEW = 20


def few_groups(groups: int | None) -> str:
    """Return what must be said of intervals over so few groups, nothing of enough or without."""
    if groups is None or groups >= FEW:
        return ""
    if groups < FEWEST:
        return f"With fewer than {FEWEST} groups of questions there are no intervals."
    return f"With fewer than {FEW} groups of questions intervals are rough."


def renumber(cluster_N: np.ndarray | None, at: np.ndarray) -> np.ndarray | None:
    """Return the groups of some questions (places, or a mask), numbered from 0; None of None."""
    return None if cluster_N is None else np.unique(cluster_N[at], return_inverse=True)[1]


def mean_interval(value_N: np.ndarray, cluster_N: np.ndarray) -> list[float] | None:
    """Return the 95% interval of a mean over questions in groups, of Student's t over groups."""
    groups = count_groups(cluster_N)
    if groups < FEWEST:
        return None
    mean, half = float(value_N.mean()), _error(value_N, cluster_N) * _quantile(groups)
    return [mean - half, mean + half]


def share_of(hit_N: np.ndarray, cluster_N: np.ndarray | None = None) -> dict | None:
    """Return a share as files hold it: `value`, `n` and `ci95`; None of no question.

    Without groups the interval is Wilson's. With groups it is Wilson's too, of as many independent
    questions as have the error that the groups show (but never more than there are), and with
    Student's t over groups.

    Args:
        hit_N: whether each question counts.
        cluster_N: the group of each, in any numbers.

    Source:
        Korn and Graubard (1998), Confidence intervals for proportions with small expected number
        of positive counts estimated from survey data, for the effective sample size; Dean and
        Pagano (2015), Evaluating confidence interval methods for binomial proportions in clustered
        surveys, for Wilson's interval of it.
    """
    n, hits = len(hit_N), int(hit_N.sum())
    if not n:
        return None
    if cluster_N is None:
        return share(hits, n)
    cluster_N = np.unique(cluster_N, return_inverse=True)[1]
    groups, value = count_groups(cluster_N), hits / n
    if groups < FEWEST:
        return {"value": value, "n": n, "ci95": None}
    variance = _error(hit_N.astype(float), cluster_N) ** 2
    # groups that all agree show no error at all: each counts as one question
    effective = min(n, value * (1 - value) / variance) if variance else groups
    square = _quantile(groups) ** 2 / effective
    middle, half = value + square / 2, math.sqrt(square * (value * (1 - value) + square / 4))
    ci95 = [max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))]
    return {"value": value, "n": n, "ci95": ci95}


def _error(value_N: np.ndarray, cluster_N: np.ndarray) -> float:
    """Return the standard error of a mean over questions of independent groups."""
    groups = count_groups(cluster_N)
    sum_G = np.bincount(cluster_N, value_N - value_N.mean(), groups)
    return math.sqrt(float(sum_G @ sum_G) * groups / (groups - 1)) / len(value_N)


def _quantile(groups: int) -> float:
    return float(t.ppf(0.975, groups - 1))
