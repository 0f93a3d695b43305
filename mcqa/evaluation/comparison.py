"""Two runs over the same questions: how much better is one, and how sure is that?

The runs answer the same questions, so the comparison is paired: a question that both get right,
or both get wrong, says nothing about which is better. All the evidence lies in `a_only` and
`b_only`, the numbers of questions that just one of them gets right.

The trap: where two runs disagree on no question, or on very few, the bootstrap interval is too
narrow (it is 0 to 0 with no disagreement at all). So a difference counts as shown only where the
interval and the exact test agree.

Here is accuracy, what `comparison.json` holds; `mcqa.evaluation.paired` compares every metric.
"""

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations

import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.groups import cluster_numbers
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.pairing import align
from mcqa.evaluation.predictions import Prediction
from mcqa.evaluation.resampling import bootstrap, interval, means
from mcqa.evaluation.significance import cochran_q, holm, mcnemar, sign_flip_test
from mcqa.evaluation.verdict import verdict


def compare(
    a: Sequence[Prediction],
    b: Sequence[Prediction],
    *,
    name_a: str,
    name_b: str,
    seed: int = 0,
    resamples: int = 10_000,
    clusters: Mapping[str, Hashable] | None = None,
) -> dict:
    """Return what `comparison.json` says about two runs over the same questions.

    Args:
        a: predictions of the first run, all labelled.
        b: predictions of the second run, for the same question ids in any order.
        name_a: what to call the first run.
        name_b: what to call the second run.
        seed: seed of the bootstrap.
        resamples: how many bootstrap resamples to draw.
        clusters: the group of each question id, where questions of a group are no independent
            evidence (the same fact asked in other words). A question whose group is None stands
            alone.

    Returns:
        `n`; `a` and `b` (`name`, `accuracy`, `accuracy_ci95`); `difference`, the accuracy of b
        minus the accuracy of a, and its paired bootstrap interval `difference_ci95`; `mcnemar`
        (`a_only`, `b_only`, `p_value`); `seed`, `resamples`; `verdict`, in words.
        With clusters the intervals are those of a bootstrap over groups, and `clusters` holds
        `n`, how many groups there are, and the `p_value` of a permutation test that flips whole
        groups; it takes the place of McNemar's in the verdict.

    Raises:
        ComparisonError: the runs do not answer the same labelled questions, once each.
        ConfigError: `resamples` is less than 1, or a question has no entry in `clusters`.
    """
    result = _compare(a, b, (name_a, name_b), seed, resamples, clusters)
    return {**result, "verdict": verdict(result)}


def compare_many(
    runs: dict[str, Sequence[Prediction]],
    *,
    seed: int = 0,
    resamples: int = 10_000,
    clusters: Mapping[str, Hashable] | None = None,
) -> list[dict]:
    """Compare every pair of named runs, in the order given.

    With many runs, some pair differs by luck. So with more than one pair each result also has
    `holm`: how many `comparisons` there are and the `p_value` corrected for them, which is the
    one that the verdict goes by. `mcnemar` and the intervals stay those of each pair alone.

    Args:
        runs: names and predictions.
        seed, resamples, clusters: see `compare`.

    Raises:
        ComparisonError: two of the runs do not answer the same labelled questions.
    """
    results = [
        _compare(a, b, (name_a, name_b), seed, resamples, clusters)
        for (name_a, a), (name_b, b) in combinations(runs.items(), 2)
    ]
    if len(results) > 1:
        tests = [result.get("clusters", result["mcnemar"]) for result in results]
        corrected = holm([test["p_value"] for test in tests])
        results = [
            {**result, "holm": {"comparisons": len(results), "p_value": p_value}}
            for result, p_value in zip(results, corrected, strict=True)
        ]
    return [{**result, "verdict": verdict(result)} for result in results]


def joint_test(runs: dict[str, Sequence[Prediction]]) -> dict:
    """Test whether two or more runs over the same questions differ in accuracy at all.

    Look here first with more than two runs; `compare_many` then says which ones differ.

    Args:
        runs: names and predictions, all labelled.

    Returns:
        `n`, `runs` (their names), Cochran's `q`, `degrees_of_freedom`, `p_value`.

    Raises:
        ComparisonError: the runs do not answer the same labelled questions, once each.
        ConfigError: there are fewer than two runs.
    """
    if len(runs) < 2:
        raise ConfigError(f"joint_test: {len(runs)} runs; it takes at least 2.")
    (name, first), *others = runs.items()
    aligned = [list(first), *(align(first, run, name, other)[1] for other, run in others)]
    correct_KN = [[prediction.correct for prediction in run] for run in aligned]
    q, p_value = cochran_q(np.array(correct_KN).T)
    return {
        "n": len(first),
        "runs": list(runs),
        "q": q,
        "degrees_of_freedom": len(runs) - 1,
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
    a: Sequence[Prediction],
    b: Sequence[Prediction],
    names: tuple[str, str],
    seed: int,
    resamples: int,
    clusters: Mapping[str, Hashable] | None,
) -> dict:
    """Return the comparison of two runs without its verdict."""
    a, b = align(a, b, *names)
    n = len(a)
    right_N2 = np.array([(in_a.correct, in_b.correct) for in_a, in_b in zip(a, b, strict=True)])
    right = right_N2.sum(0).tolist()
    a_only = int((right_N2[:, 0] & ~right_N2[:, 1]).sum())
    b_only = int((right_N2[:, 1] & ~right_N2[:, 0]).sum())
    if clusters is None:
        draws = bootstrap_differences(a_only, b_only, n, seed=seed, resamples=resamples)
        ci95_a, ci95_b = (list(wilson_interval(successes, n)) for successes in right)
        ci95, grouped = interval(draws), {}
    else:
        cluster_N = cluster_numbers([prediction.id for prediction in a], clusters)
        (ci95_a, ci95_b, ci95), p_value = _over_groups(right_N2, cluster_N, seed, resamples)
        grouped = {"clusters": {"n": int(cluster_N.max()) + 1, "p_value": p_value}}
    return {
        "n": n,
        "a": {"name": names[0], "accuracy": right[0] / n, "accuracy_ci95": ci95_a},
        "b": {"name": names[1], "accuracy": right[1] / n, "accuracy_ci95": ci95_b},
        "difference": (b_only - a_only) / n,
        "difference_ci95": ci95,
        "mcnemar": {"a_only": a_only, "b_only": b_only, "p_value": mcnemar(a_only, b_only)},
        "seed": seed,
        "resamples": resamples,
        **grouped,
    }


def _over_groups(
    right_N2: np.ndarray, cluster_N: np.ndarray, seed: int, resamples: int
) -> tuple[list[list[float]], float]:
    """Return the intervals of both accuracies and of their difference, and the p-value."""
    gain_N = np.diff(right_N2.astype(float))[:, 0]
    columns = {"a": right_N2[:, 0], "b": right_N2[:, 1], "difference": gain_N}
    draws = bootstrap(
        means(columns), len(gain_N), seed=seed, resamples=resamples, cluster_N=cluster_N
    )
    p_value = sign_flip_test(gain_N[:, None], seed=seed, cluster_N=cluster_N)[0]
    return [interval(draws[name]) for name in columns], float(p_value)
