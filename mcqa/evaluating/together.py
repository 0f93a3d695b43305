"""What two runs know together: the ceiling, the average, and a combination fitted elsewhere."""

from collections.abc import Mapping, Sequence

import numpy as np

from mcqa.evaluation.answers import Answers
from mcqa.evaluation.combination import average, fit_stack, stack
from mcqa.evaluation.comparison import compare
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
    """Return how many questions two runs, aligned, get right together.

    Args:
        a, b, names: the runs.
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
    together = {"either": either, "average": None, "stacked": None}
    if not (a.scored.all() and b.scored.all()):
        return together
    together["average"] = share(int(average(a, b).correct.sum()), n)
    fitted_on = [validation.get(name, ()) for name in names]
    asked = [{(p.id, p.label) for p in predictions} for predictions in fitted_on]
    if not asked[0] or asked[0] != asked[1]:
        return together
    weights = fit_stack(*align(dict(zip(names, fitted_on, strict=True))).values())
    n_validation = weights.pop("n")
    combined = stack(a, b, **weights)
    better, single = (names[1], b) if b.correct.sum() > a.correct.sum() else (names[0], a)
    sides = single.correct, combined.correct
    against = compare(*sides, (better, "stacked"), seed=seed, cluster_N=cluster_N)
    together["stacked"] = {
        "value": against["b"]["accuracy"],
        "n": n,
        "ci95": against["b"]["accuracy_ci95"],
        **weights,
        "n_validation": n_validation,
        "against_better": against,
    }
    return together
