"""Two runs over the same questions: how much better is one, and how sure is that?

The runs answer the same questions, so the comparison is paired: a question that both get right,
or both get wrong, says nothing about which is better. All the evidence lies in `a_only` and
`b_only`, the numbers of questions that just one of them gets right.

The trap: where two runs disagree on no question, or on very few, the bootstrap interval is too
narrow (it is 0 to 0 with no disagreement at all). So a difference counts as shown only where the
interval and the exact test agree.

Here is accuracy, what `comparison.json` holds; `mcqa.evaluation.paired` compares every metric.
Functions take what each run gets right, question by question: `align(runs)["a"].correct`.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.resampling import bootstrap, interval, means
from mcqa.evaluation.significance import cochran_q, holm, mcnemar, sign_flip_test
from mcqa.evaluation.verdict import verdict


def compare(right_a_N: np.ndarray, right_b_N: np.ndarray, names: tuple[str, str], **how) -> dict:
    """Return what `comparison.json` says about the accuracy of two runs.

    Args:
        right_a_N: whether the first run gets each question right.
        right_b_N: whether the second run does.
        names: what to call the runs.
        how: `seed` of the bootstrap; how many `resamples` to draw, by default 10,000; and
            `cluster_N`, the group of each question, numbered from 0, where questions of a group
            are no independent evidence (the same fact asked in other words).

    Returns:
        `n`; `a` and `b` (`name`, `accuracy`, `accuracy_ci95`); `difference`, the accuracy of b
        minus the accuracy of a, and its paired bootstrap interval `difference_ci95`; `mcnemar`
        (`a_only`, `b_only`, `p_value`); `seed`, `resamples`; `verdict`, in words.
        With clusters the intervals are those of a bootstrap over groups, and `clusters` holds
        `n`, how many groups there are, and the `p_value` of a permutation test that flips whole
        groups; it takes the place of McNemar's in the verdict.

    Raises:
        ConfigError: `resamples` is less than 1.
    """
    result = _compare(right_a_N, right_b_N, names, **how)
    return {**result, "verdict": verdict(result)}


def compare_many(right_by_run: Mapping[str, np.ndarray], **how) -> list[dict]:
    """Compare every pair of named runs, in the order given.

    With many runs, some pair differs by luck. So with more than one pair each result also has
    `holm`: how many `comparisons` there are and the `p_value` corrected for them, which is the
    one that the verdict goes by. `mcnemar` and the intervals stay those of each pair alone.

    Args:
        right_by_run: by name whether each run gets each question right.
        how: see `compare`.
    """
    results = [
        _compare(a, b, (name_a, name_b), **how)
        for (name_a, a), (name_b, b) in combinations(right_by_run.items(), 2)
    ]
    if len(results) > 1:
        corrected = holm([deciding_p_value(result) for result in results])
        for result, p_value in zip(results, corrected, strict=True):
            result["holm"] = {"comparisons": len(results), "p_value": p_value}
    return [{**result, "verdict": verdict(result)} for result in results]


def deciding_p_value(comparison: dict) -> float:
    """Return the p-value of a pair alone: that over groups where there are some."""
    return comparison.get("clusters", comparison["mcnemar"])["p_value"]


def joint_test(right_by_run: Mapping[str, np.ndarray]) -> dict:
    """Test whether two or more runs over the same questions differ in accuracy at all.

    Look here first with more than two runs; `compare_many` then says which ones differ.

    Args:
        right_by_run: by name whether each run gets each question right.

    Returns:
        `n`, `runs` (their names), Cochran's `q`, `degrees_of_freedom`, `p_value`.

    Raises:
        ConfigError: there are fewer than two runs.
    """
    q, p_value = cochran_q(np.column_stack(list(right_by_run.values())))
    return {
        "n": len(next(iter(right_by_run.values()))),
        "runs": list(right_by_run),
        "q": q,
        "degrees_of_freedom": len(right_by_run) - 1,
        "p_value": p_value,
    }


def bootstrap_differences(
    a_only: int, b_only: int, n: int, *, seed: int, resamples: int
) -> np.ndarray:
    """Draw accuracy differences (b minus a) as resampling the n questions would.

    A resample's difference depends only on how many of its questions are of the kinds a_only,
    b_only and neither. Drawing n questions with replacement makes these counts multinomial, so
    they are drawn directly: the same distribution, in memory that does not grow with n.

    Raises:
        ConfigError: `resamples` is less than 1.
    """
    if resamples < 1:
        raise ConfigError(f"resamples is {resamples}; it must be at least 1, 10,000 is usual.")
    shares = (a_only / n, b_only / n, (n - a_only - b_only) / n)
    counts = np.random.default_rng(seed).multinomial(n, shares, size=resamples)
    return (counts[:, 1] - counts[:, 0]) / n


def _compare(
    right_a_N: np.ndarray,
    right_b_N: np.ndarray,
    names: tuple[str, str],
    *,
    seed: int = 0,
    resamples: int = 10_000,
    cluster_N: np.ndarray | None = None,
) -> dict:
    """Return the comparison of two runs without its verdict."""
    n, right = len(right_a_N), [int(right_a_N.sum()), int(right_b_N.sum())]
    a_only, b_only = int((right_a_N & ~right_b_N).sum()), int((right_b_N & ~right_a_N).sum())
    grouped = {}
    if cluster_N is None:
        draws = bootstrap_differences(a_only, b_only, n, seed=seed, resamples=resamples)
        intervals = [*(wilson_interval(successes, n) for successes in right), interval(draws)]
    else:
        gain_N = right_b_N.astype(float) - right_a_N
        statistic = means({"a": right_a_N, "b": right_b_N, "difference": gain_N})
        draws = bootstrap(statistic, n, seed=seed, resamples=resamples, cluster_N=cluster_N)
        intervals = [interval(draws_R) for draws_R in draws.values()]
        p_value = float(sign_flip_test(gain_N[:, None], seed=seed, cluster_N=cluster_N)[0])
        grouped = {"clusters": {"n": int(cluster_N.max()) + 1, "p_value": p_value}}
    sides = {
        side: {"name": name, "accuracy": successes / n, "accuracy_ci95": ci95}
        for side, name, successes, ci95 in zip("ab", names, right, intervals, strict=False)
    }
    return {
        "n": n,
        **sides,
        "difference": (b_only - a_only) / n,
        "difference_ci95": intervals[2],
        "mcnemar": {"a_only": a_only, "b_only": b_only, "p_value": mcnemar(a_only, b_only)},
        "seed": seed,
        "resamples": resamples,
        **grouped,
    }
