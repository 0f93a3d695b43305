"""What two runs know together: the ceiling, the average, and a combination fitted elsewhere."""

from collections.abc import Hashable, Mapping, Sequence

from mcqa.evaluation.answers import UNPARSED, Answers
from mcqa.evaluation.combination import average, either_right, fit_stack, stack
from mcqa.evaluation.comparison import compare
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.pairing import align_answers
from mcqa.evaluation.predictions import Prediction

STACKED = "stacked"


def describe_together(
    a: Answers,
    b: Answers,
    names: tuple[str, str],
    *,
    validation: Mapping[str, Sequence[Prediction]],
    seed: int = 0,
    clusters: Mapping[str, Hashable] | None = None,
) -> dict:
    """Return how many questions two runs get right together.

    Args:
        a, b: the runs' answers, aligned.
        names: what they are called.
        validation: by name the runs' predictions for validation questions, where there are some.
        seed, clusters: see `mcqa.evaluation.comparison.compare`.

    Returns:
        `either`, the share of questions that at least one of them gets right; `average`, that of
        their mean probabilities; `stacked`, that of their weighted log-probabilities: `value`,
        `n`, `ci95`, `weight_a`, `weight_b`, `n_validation` and `against_better`, the comparison
        with the run that gets more of these questions right. The last two are None where an
        answer has no probabilities, and `stacked` where the runs did not answer the same
        validation questions.
    """
    together = {"either": either_right(a, b)["either"], "average": None, "stacked": None}
    if not (a.scored.all() and b.scored.all()):
        return together
    n, right = len(a), int(average(a, b).correct.sum())
    together["average"] = {"value": right / n, "n": n, "ci95": list(wilson_interval(right, n))}
    fitted_on = [validation.get(name, ()) for name in names]
    if fitted_on[0] and _questions(fitted_on[0]) == _questions(fitted_on[1]):
        weights = fit_stack(*align_answers(*fitted_on, *names))
        together["stacked"] = _stacked(a, b, names, weights, seed, clusters)
    return together


def _questions(predictions: Sequence[Prediction]) -> set[tuple[str, int | None]]:
    return {(prediction.id, prediction.label) for prediction in predictions}


def _stacked(a: Answers, b: Answers, names, weights: dict, seed: int, clusters) -> dict:
    n_validation = weights.pop("n")
    combined = stack(a, b, **weights)
    better, single = (names[1], b) if b.correct.sum() > a.correct.sum() else (names[0], a)
    sides = _predictions(single), _predictions(combined)
    against = compare(*sides, name_a=better, name_b=STACKED, seed=seed, clusters=clusters)
    return {
        "value": against["b"]["accuracy"],
        "n": against["n"],
        "ci95": against["b"]["accuracy_ci95"],
        **weights,
        "n_validation": n_validation,
        "against_better": against,
    }


def _predictions(answers: Answers) -> list[Prediction]:
    """Return the choices as predictions: all that a comparison of accuracies asks for."""
    return [
        Prediction(
            id=id,
            label=int(label),
            choice=None if choice == UNPARSED else int(choice),
            scores=None,
            probabilities=None,
            unit=None,
            scorer=STACKED,
            tokens=0,
        )
        for id, label, choice in zip(answers.ids, answers.labels, answers.choices, strict=True)
    ]
