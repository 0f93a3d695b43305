"""Accuracy, its interval, and the summary of one run; an unparsed prediction is wrong."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from mcqa.errors import ConfigError
from mcqa.evaluation.sets import are_plain, by_kind
from mcqa.kinds import KINDS
from mcqa.prediction import AMBIGUOUS, Prediction


def wilson_interval(successes: int, n: int) -> list[float]:
    """Return Wilson's 95% score interval of a proportion: `successes` (0 to n) of n (1 or more).

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ConfigError(
            f"wilson_interval: successes={successes}, n={n}; "
            "it takes n of at least 1, and successes from 0 to n."
        )
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    return [float(interval.low), float(interval.high)]


def share(successes: int, n: int) -> dict:
    """Return a share as files hold it: `value`, `n`, and Wilson's interval `ci95`."""
    return {"value": successes / n, "n": n, "ci95": wilson_interval(successes, n)}


def summarize(
    predictions: Sequence[Prediction],
    seconds: float | None = None,
    peak_memory_bytes: int | None = None,
) -> dict:
    """Return what `metrics.json` says first about one run; None where something is not known.

    Accuracy and chance (see `mcqa.kinds.Kind.chance`, of those with scores) are over the `n`
    labelled predictions, counts and costs over all. `ambiguous` are those of the `unparsed` that
    named several options. Where there are other kinds than plain choices, `kinds` has the same of
    each but the costs; of several kinds together no accuracy is known.
    """
    groups, count = by_kind(predictions), len(predictions)
    summary = _summary(predictions)
    if len(groups) > 1:
        summary |= dict.fromkeys(("accuracy", "accuracy_ci95", "chance"))
    costs = {
        "seconds": seconds,
        "questions_per_second": count / seconds if seconds else None,
        "peak_memory_bytes": peak_memory_bytes,
    }
    kinds = {} if are_plain(groups) else {"kinds": {k: _summary(own) for k, own in groups.items()}}
    return {**summary, **costs, **kinds}


def split_kinds(metrics: dict) -> dict[str, dict]:
    """Return a run's metrics of each kind, as `metrics.json` holds them."""
    return metrics.get("kinds", {"": metrics})


def _summary(predictions: Sequence[Prediction]) -> dict:
    labelled = [prediction for prediction in predictions if prediction.label is not None]
    n, count = len(labelled), len(predictions)
    chances = [KINDS[p.kind].chance(len(p.scores)) for p in labelled if p.scores]
    right = sum(prediction.correct for prediction in labelled)
    return {
        "n": n,
        "accuracy": right / n if n else None,
        "accuracy_ci95": wilson_interval(right, n) if n else None,
        "chance": float(np.mean(chances)) if chances else None,
        "unparsed": sum(prediction.choice is None for prediction in predictions),
        "ambiguous": sum(prediction.parsed == AMBIGUOUS for prediction in predictions),
        "unlabelled": count - n,
        "truncated": sum(prediction.truncated > 0 for prediction in predictions),
        "tokens_per_question": sum(p.tokens for p in predictions) / count if count else None,
    }
