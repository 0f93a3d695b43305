"""Two runs over the same questions: how much better is one, and how sure is that?

Here is accuracy; `mcqa.evaluation.paired` compares every metric. Functions take what each run gets
right, question by question. The trap: where two runs disagree on very few questions, the bootstrap
interval is too narrow. So a difference counts as shown only where it and the exact test agree.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.clustered import FEW, mean_interval, share_of
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.numbers import format_p_value
from mcqa.evaluation.resampling import FEWEST, bootstrap_accuracy_gain, count_groups, interval
from mcqa.evaluation.significance import (
    cochran_permutation,
    cochran_q,
    holm,
    mcnemar,
    sign_flip_test,
)


def compare(
    right_a_N: np.ndarray,
    right_b_N: np.ndarray,
    names: tuple[str, str],
    *,
    seed: int = 0,
    resamples: int = 10_000,
    cluster_N: np.ndarray | None = None,
) -> dict:
    """Return what `comparison.json` says about the accuracy of two runs.

    Args:
        right_a_N, right_b_N: whether each run gets each question right.
        cluster_N: the group of each question, numbered from 0, where questions of a group are no
            independent evidence. Intervals are then of Student's t over groups (see
            `mcqa.evaluation.clustered`), and `clusters` says how many there are and the p-value of
            a permutation test that flips whole groups, which decides the verdict. Of too few
            groups there are no intervals, and no difference is claimed.
    """
    n, right = len(right_a_N), (int(right_a_N.sum()), int(right_b_N.sum()))
    a_only, b_only = int((right_a_N & ~right_b_N).sum()), int((right_b_N & ~right_a_N).sum())
    drawn = {"seed": seed, "resamples": resamples}
    if cluster_N is None:
        return compare_counts(n, right, (a_only, b_only), names, **drawn)
    gain_N = right_b_N.astype(float) - right_a_N
    intervals = [share_of(right_N, cluster_N)["ci95"] for right_N in (right_a_N, right_b_N)]
    intervals.append(mean_interval(gain_N, cluster_N))
    p_value = float(sign_flip_test(gain_N[:, None], seed=seed, cluster_N=cluster_N)[0])
    result = _result(n, right, (a_only, b_only), names, intervals, drawn)
    result["clusters"] = {"n": count_groups(cluster_N), "p_value": p_value}
    return {**result, "verdict": _verdict(result)}


def compare_counts(
    n: int,
    right: tuple[int, int],
    only: tuple[int, int],
    names: tuple[str, str],
    *,
    seed: int = 0,
    resamples: int = 10_000,
) -> dict:
    """Return what `compare` does, without groups, of how many questions are right.

    Args:
        n: of how many.
        right: those of each run.
        only: those that the other one gets wrong.
    """
    drawn = {"seed": seed, "resamples": resamples}
    draws_R = bootstrap_accuracy_gain(*only, n, **drawn)
    intervals = [*(wilson_interval(count, n) for count in right), interval(draws_R)]
    result = _result(n, right, only, names, intervals, drawn)
    return {**result, "verdict": _verdict(result)}


def _result(n, right, only, names, intervals, drawn: dict) -> dict:
    a_only, b_only = only
    return {
        "n": n,
        "a": {"name": names[0], "accuracy": right[0] / n, "accuracy_ci95": intervals[0]},
        "b": {"name": names[1], "accuracy": right[1] / n, "accuracy_ci95": intervals[1]},
        "difference": (b_only - a_only) / n,
        "difference_ci95": intervals[2],
        "mcnemar": {"a_only": a_only, "b_only": b_only, "p_value": mcnemar(a_only, b_only)},
        **drawn,
    }


def compare_many(
    right_by_run: Mapping[str, np.ndarray], *, baseline: str | None = None, **how
) -> list[dict]:
    """Compare every pair of named runs, or with `baseline` each other run with that one.

    The first pair is the primary comparison, named before there were results: it is not corrected.
    Of more than one further pair each has `holm`; see `correct`. For the rest see `compare`.

    Raises:
        ConfigError: no run is called as the baseline.
    """
    names = list(right_by_run)
    if baseline is not None:
        if baseline not in names:
            raise ConfigError(f"baseline {baseline!r} is none of the runs {', '.join(names)}.")
        pairs = [(baseline, name) for name in names if name != baseline]
    else:
        pairs = combinations(names, 2)
    results = [compare(*(right_by_run[name] for name in pair), pair, **how) for pair in pairs]
    mark_primary(results)
    return results


def mark_primary(results: Sequence[dict]) -> None:
    """Mark the first of several comparisons as the primary one, and correct the others."""
    if len(results) > 1:
        results[0]["primary"] = True
        correct(results[1:])


def correct(results: Sequence[dict]) -> None:
    """Correct the verdicts of comparisons that are looked at together, where there are several.

    Each gets `holm`: how many `comparisons` there are and the `p_value` corrected for them, by
    which the verdict goes then. All else stays that of each alone.
    """
    if len(results) < 2:
        return
    corrected = holm([deciding_p_value(result) for result in results])
    for result, p_value in zip(results, corrected, strict=True):
        del result["verdict"]
        result["holm"] = {"comparisons": len(results), "p_value": p_value}
        result["verdict"] = _verdict(result)


def deciding_p_value(comparison: dict) -> float:
    """Return the p-value of a pair alone: that over groups where there are some."""
    return comparison.get("clusters", comparison["mcnemar"])["p_value"]


def joint_test(
    right_by_run: Mapping[str, np.ndarray], *, seed: int = 0, cluster_N: np.ndarray | None = None
) -> dict:
    """Test whether runs over the same questions differ in accuracy at all, by `cochran_q`.

    Where questions come in groups, p is that of a permutation of the runs within whole groups.
    """
    correct_NK = np.column_stack(list(right_by_run.values()))
    q, p_value = cochran_q(correct_NK)
    grouped = {}
    if cluster_N is not None:
        p_value = cochran_permutation(correct_NK, cluster_N, seed=seed)
        grouped = {"clusters": count_groups(cluster_N)}
    return {
        "n": len(correct_NK),
        "runs": list(right_by_run),
        "q": q,
        "degrees_of_freedom": len(right_by_run) - 1,
        "p_value": p_value,
        **grouped,
    }


def _verdict(result: dict) -> str:
    """Say which run is better, and no more than the interval and the test both allow."""
    name_a, name_b = result["a"]["name"], result["b"]["name"]
    sample, test, p_value = f"n = {result['n']}", "exact McNemar", deciding_p_value(result)
    if clusters := result.get("clusters"):
        sample, test = f"{sample} in {clusters['n']} groups", "permutation of groups"
    correction = ""
    if holm := result.get("holm"):
        p_value = holm["p_value"]
        correction = f" after Holm's correction for {holm['comparisons']} comparisons"
    test += f" p {format_p_value(p_value, '= ')}{correction}"
    if not result["mcnemar"]["a_only"] and not result["mcnemar"]["b_only"]:
        return (
            f"No difference can be shown: {name_a} and {name_b} get the same questions right "
            f"({sample}, {test}). That does not prove them equal on other questions."
        )
    difference = result["difference"]
    finding = f"{name_a} and {name_b} answer the same number of questions right"
    if difference < 0:
        name_a, name_b = name_b, name_a
    if difference:
        points = f"{_points(abs(difference))} points"
        finding = f"{name_b} answers {points} more of the questions right than {name_a}"
    if result["difference_ci95"] is None:
        return (
            f"No difference can be claimed: on these questions, {finding} ({sample}, {test}). "
            f"Groups of questions about the same thing count as one piece of evidence each, and "
            f"it takes at least {FEWEST} of them."
        )
    ends = [end if difference >= 0 else -end for end in result["difference_ci95"]]
    low, high = min(ends), max(ends)
    evidence = f"{sample}, 95% interval {_points(low)} to {_points(high)} points, {test}"
    rough, more = "", "More questions"
    if clusters:
        more = "More groups of questions"
        if clusters["n"] < FEW:
            rough = f" With fewer than {FEW} groups that is rough."
    interval_shows, test_shows = low > 0, p_value < 0.05
    if interval_shows and test_shows:
        return f"{finding} ({evidence}).{rough}"
    if not interval_shows and not test_shows:
        return (
            f"No difference can be shown: on these questions, {finding}, "
            f"which may be luck ({evidence}).{rough}"
        )
    reason = "the test's p is below 0.05 but the interval includes zero"
    if interval_shows:
        reason = "the interval leaves zero out but the test's p is not below 0.05"
    return (
        f"No difference can be shown safely: {finding} ({evidence}), "
        f"and the two measures disagree: {reason}. {more} would settle it.{rough}"
    )


def _points(share: float) -> str:
    """Return a share as percentage points, never rounding a difference away to zero."""
    points = 100 * share
    return f"{points:z.1f}" if points == 0 or abs(points) >= 0.05 else f"{points:.1g}"
