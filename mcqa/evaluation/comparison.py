"""Two runs over the same questions: how much better is one, and how sure is that?

The runs answer the same questions, so the comparison is paired: a question that both get right,
or both get wrong, says nothing about which is better. All the evidence lies in `a_only` and
`b_only`, the numbers of questions that just one of them gets right.

The trap: where two runs disagree on no question, or on very few, the bootstrap interval is too
narrow (it is 0 to 0 with no disagreement at all). So a difference counts as shown only where the
interval and the exact test agree.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.stats import binomtest

from mcqa.errors import ComparisonError, ConfigError
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.predictions import Prediction


def compare(
    a: Sequence[Prediction],
    b: Sequence[Prediction],
    *,
    name_a: str,
    name_b: str,
    seed: int = 0,
    resamples: int = 10_000,
) -> dict:
    """Return what `comparison.json` says about two runs over the same questions.

    Args:
        a: predictions of the first run, all labelled.
        b: predictions of the second run, for the same question ids in any order.
        name_a: what to call the first run.
        name_b: what to call the second run.
        seed: seed of the bootstrap.
        resamples: how many bootstrap resamples to draw.

    Returns:
        `n`; `a` and `b` (`name`, `accuracy`, `accuracy_ci95`); `difference`, the accuracy of b
        minus the accuracy of a, and its paired bootstrap interval `difference_ci95`; `mcnemar`
        (`a_only`, `b_only`, `p_value`); `seed`, `resamples`; `verdict`, in words.

    Raises:
        ComparisonError: the runs do not answer the same labelled questions, once each.
        ConfigError: `resamples` is less than 1.
    """
    pairs = _pair(a, b, name_a, name_b)
    n = len(pairs)
    right_a = sum(in_a for in_a, _ in pairs)
    right_b = sum(in_b for _, in_b in pairs)
    a_only = sum(in_a and not in_b for in_a, in_b in pairs)
    b_only = sum(in_b and not in_a for in_a, in_b in pairs)
    differences = bootstrap_differences(a_only, b_only, n, seed=seed, resamples=resamples)
    result = {
        "n": n,
        "a": _side(name_a, right_a, n),
        "b": _side(name_b, right_b, n),
        "difference": (b_only - a_only) / n,
        "difference_ci95": np.quantile(differences, (0.025, 0.975)).tolist(),
        "mcnemar": {"a_only": a_only, "b_only": b_only, "p_value": mcnemar(a_only, b_only)},
        "seed": seed,
        "resamples": resamples,
    }
    return {**result, "verdict": _verdict(result)}


def compare_many(
    runs: dict[str, Sequence[Prediction]], *, seed: int = 0, resamples: int = 10_000
) -> list[dict]:
    """Compare every pair of named runs, in the order given.

    The p-values and intervals are those of each pair alone: with many runs, some pair differs by
    luck, and nothing here corrects for that.

    Raises:
        ComparisonError: two of the runs do not answer the same labelled questions.
    """
    return [
        compare(a, b, name_a=name_a, name_b=name_b, seed=seed, resamples=resamples)
        for (name_a, a), (name_b, b) in combinations(runs.items(), 2)
    ]


def mcnemar(a_only: int, b_only: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Args:
        a_only: how many questions only the first run gets right.
        b_only: how many questions only the second run gets right.

    Returns:
        The p-value, 1 where the two are never apart.

    Source:
        McNemar (1947), in its exact (binomial) form.

    >>> mcnemar(1, 9)
    0.021484375
    >>> mcnemar(0, 0)
    1.0
    """
    discordant = a_only + b_only
    return float(binomtest(b_only, discordant).pvalue) if discordant else 1.0


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


def _side(name: str, right: int, n: int) -> dict:
    return {"name": name, "accuracy": right / n, "accuracy_ci95": list(wilson_interval(right, n))}


def _pair(
    a: Sequence[Prediction], b: Sequence[Prediction], name_a: str, name_b: str
) -> list[tuple[bool, bool]]:
    """Return whether a and b are right, question by question."""
    a_by_id, b_by_id = _by_id(a, name_a), _by_id(b, name_b)
    sides = ((a_by_id, b_by_id, name_a, name_b), (b_by_id, a_by_id, name_b, name_a))
    for here, there, name_here, name_there in sides:
        for id in here:
            if id not in there:
                raise ComparisonError(
                    f"question {id!r} is in {name_here} ({len(here)} questions) but not in "
                    f"{name_there} ({len(there)} questions). Score both on the same questions: "
                    "the same data, split and limit."
                )
    for id, prediction in a_by_id.items():
        if prediction.label != b_by_id[id].label:
            raise ComparisonError(
                f"question {id!r} has label {prediction.label} in {name_a} and label "
                f"{b_by_id[id].label} in {name_b}. Score both on the same file; shuffled options "
                "must be mapped back to the original order."
            )
    return [(prediction.correct, b_by_id[id].correct) for id, prediction in a_by_id.items()]


def _by_id(predictions: Sequence[Prediction], name: str) -> dict[str, Prediction]:
    """Return the predictions by question id, checked to be labelled and one per question."""
    if not predictions:
        raise ComparisonError(f"{name} has no predictions. Score at least one labelled question.")
    for prediction in predictions:
        if prediction.label is None:
            raise ComparisonError(
                f"{name}: question {prediction.id!r} has no label, and only labelled questions "
                "can be compared. Score labelled data, or leave such questions out of both runs."
            )
    id, times = Counter(prediction.id for prediction in predictions).most_common(1)[0]
    if times > 1:
        raise ComparisonError(
            f"{name}: question {id!r} is answered {times} times, and a comparison takes each "
            "question once. Give the questions unique ids and score them again."
        )
    return {prediction.id: prediction for prediction in predictions}


def _verdict(result: dict) -> str:
    """Say which run is better, and no more than the interval and the test both allow."""
    name_a, name_b = result["a"]["name"], result["b"]["name"]
    n, p_value = result["n"], result["mcnemar"]["p_value"]
    if not result["mcnemar"]["a_only"] and not result["mcnemar"]["b_only"]:
        return (
            f"No difference can be shown: {name_a} and {name_b} get the same questions right "
            f"(n = {n}, exact McNemar p = 1). That does not prove them equal on other questions."
        )
    difference, (low, high) = result["difference"], result["difference_ci95"]
    better, other = name_b, name_a
    if difference < 0:
        difference, low, high = -difference, -high, -low
        better, other = name_a, name_b
    finding = (
        f"{better} answers {_points(difference)} points more of the questions right than {other}"
        if difference
        else f"{name_a} and {name_b} answer the same number of questions right"
    )
    evidence = (
        f"n = {n}, 95% interval {_points(low)} to {_points(high)} points, "
        f"exact McNemar {_p_value(p_value)}"
    )
    interval_shows, test_shows = low > 0, p_value < 0.05
    if interval_shows and test_shows:
        return f"{finding} ({evidence})."
    if interval_shows or test_shows:
        reason = (
            "the interval leaves zero out but the test's p is not below 0.05"
            if interval_shows
            else "the test's p is below 0.05 but the interval includes zero"
        )
        return (
            f"No difference can be shown safely: {finding} ({evidence}), "
            f"and the two measures disagree: {reason}. More questions would settle it."
        )
    return (
        f"No difference can be shown: on these questions, {finding}, "
        f"which may be luck ({evidence})."
    )


def _points(share: float) -> str:
    """Return a share as percentage points, never rounding a difference away to zero."""
    points = 100 * share
    if points == 0:
        return "0.0"
    return f"{points:.1f}" if abs(points) >= 0.05 else f"{points:.1g}"


def _p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3g}"
