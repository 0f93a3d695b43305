"""What two runs know together: the ceiling, the average, and a combination fitted elsewhere."""

from collections.abc import Mapping, Sequence

import numpy as np

from mcqa.evaluation.answers import Answers
from mcqa.evaluation.comparison import compare
from mcqa.evaluation.fitting import average, fit_stack, stack
from mcqa.evaluation.metrics import share
from mcqa.evaluation.pairing import align
from mcqa.prediction import Prediction


def describe_together(
    a: Answers,
    b: Answers,
    names: tuple[str, str],
    *,
    validation: Mapping[str, Sequence[Prediction]],
    seed: int = 0,
    cluster_N: np.ndarray | None = None,
) -> dict:
    """Return how many questions two runs get right together.

    Args:
        a, b: the runs' answers, aligned.
        names: what they are called.
        validation: by name the runs' predictions for validation questions, where there are some.
        seed, cluster_N: see `mcqa.evaluation.comparison.compare`.

    Returns:
        `either`, the share of questions that at least one of them gets right; `average`, that of
        their mean probabilities; `stacked`, that of their weighted log-probabilities: `value`,
        `n`, `ci95`, `weight_a`, `weight_b`, `n_validation` and `against_better`, the comparison
        with the run that gets more of these questions right. The last two are None where an
        answer has no probabilities, and `stacked` where the runs did not answer the same
        validation questions.
    """
    n, either = len(a), share(int((a.correct | b.correct).sum()), len(a))
    if not (a.scored.all() and b.scored.all()):
        return {"either": either, "average": None, "stacked": None}
    together = {"either": either, "average": share(int(average(a, b).correct.sum()), n)}
    fitted_on = [validation.get(name, ()) for name in names]
    if not fitted_on[0] or _asked(fitted_on[0]) != _asked(fitted_on[1]):
        return {**together, "stacked": None}
    weights = fit_stack(*align(dict(zip(names, fitted_on, strict=True))).values())
    n_validation = weights.pop("n")
    combined = stack(a, b, **weights)
    better, single = (names[1], b) if b.correct.sum() > a.correct.sum() else (names[0], a)
    sides = single.correct, combined.correct
    against = compare(*sides, (better, "stacked"), seed=seed, cluster_N=cluster_N)
    stacked = {
        "value": against["b"]["accuracy"],
        "n": n,
        "ci95": against["b"]["accuracy_ci95"],
        **weights,
        "n_validation": n_validation,
        "against_better": against,
    }
    return {**together, "stacked": stacked}


def _asked(predictions: Sequence[Prediction]) -> set[tuple[str, int | None]]:
    return {(prediction.id, prediction.label) for prediction in predictions}
