"""Runs question by question; refused where they do not answer the same ones."""

from collections import Counter
from collections.abc import Mapping, Sequence

from mcqa.errors import ComparisonError
from mcqa.evaluation.sets import AnyAnswers, answers_of, by_kind
from mcqa.prediction import Prediction


def align(runs: Mapping[str, Sequence[Prediction]]) -> dict[str, AnyAnswers]:
    """Return runs as arrays, question by question in the order of the first.

    Raises:
        ComparisonError: the runs do not answer the same labelled questions, once each.
        ConfigError: a label or choice is not one of the options, a score is not finite, or the
            questions are of several kinds (see `align_kinds`).
    """
    return {name: answers_of(answered) for name, answered in _in_order(runs).items()}


def align_kinds(runs: Mapping[str, Sequence[Prediction]]) -> dict[str, dict[str, AnyAnswers]]:
    """Return the same by kind of question, each kind's runs by name; errors as of `align`."""
    of_runs = {name: by_kind(answered) for name, answered in _in_order(runs).items()}
    kinds = next(iter(of_runs.values()))
    return {
        kind: {name: answers_of(groups[kind]) for name, groups in of_runs.items()} for kind in kinds
    }


def _in_order(runs: Mapping[str, Sequence[Prediction]]) -> dict[str, list[Prediction]]:
    by_id = {name: _by_id(predictions, name) for name, predictions in runs.items()}
    first, *others = by_id.items()
    for other in others:
        _check_same(first, other)
    return {name: [answered[id] for id in first[1]] for name, answered in by_id.items()}


def check_aligned(a: AnyAnswers, b: AnyAnswers) -> None:
    """Raise a ComparisonError where two runs' arrays do not stand for the same questions."""
    if a.kind != b.kind or not a.same_questions(b):
        raise ComparisonError(
            f"the two runs ({len(a)} and {len(b)} questions) are not aligned: their ids or labels "
            "differ. Bring them into one order with mcqa.evaluation.pairing.align."
        )


def _check_same(*runs: tuple[str, dict[str, Prediction]]) -> None:
    for (name_here, here), (name_there, there) in (runs, runs[::-1]):
        if missing := [id for id in here if id not in there]:
            raise ComparisonError(
                f"question {missing[0]!r} is in {name_here} ({len(here)} questions) but not in "
                f"{name_there} ({len(there)} questions). Score both on the same questions: "
                "the same data, split and limit."
            )
    (name_a, a), (name_b, b) = runs
    for id, prediction in a.items():
        if prediction.kind != b[id].kind:
            raise ComparisonError(
                f"question {id!r} is of the kind {prediction.kind} in {name_a} and of the kind "
                f"{b[id].kind} in {name_b}. Score both on the same file."
            )
        if prediction.label != b[id].label:
            raise ComparisonError(
                f"question {id!r} has label {prediction.label} in {name_a} and label "
                f"{b[id].label} in {name_b}. Score both on the same file; shuffled options "
                "must be mapped back to the original order."
            )


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
