"""Two runs' predictions, question by question; refused where they do not answer the same ones."""

from collections import Counter
from collections.abc import Sequence

from mcqa.errors import ComparisonError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.predictions import Prediction


def align(
    a: Sequence[Prediction], b: Sequence[Prediction], name_a: str, name_b: str
) -> tuple[list[Prediction], list[Prediction]]:
    """Return both runs' predictions in the order of the first.

    Args:
        a: predictions of the first run, all labelled.
        b: predictions of the second run, for the same question ids in any order.
        name_a: what to call the first run in a message.
        name_b: what to call the second run in a message.

    Raises:
        ComparisonError: the runs do not answer the same labelled questions, once each.
    """
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
    return list(a_by_id.values()), [b_by_id[id] for id in a_by_id]


def align_answers(
    a: Sequence[Prediction], b: Sequence[Prediction], name_a: str, name_b: str
) -> tuple[Answers, Answers]:
    """Return both runs as arrays, question by question.

    Args:
        a, b, name_a, name_b: as in `align`.

    Raises:
        ComparisonError: the runs do not answer the same labelled questions, once each.
        ConfigError: a label or choice is not one of the options, or a score is not finite.
    """
    aligned_a, aligned_b = align(a, b, name_a, name_b)
    return Answers.of(aligned_a), Answers.of(aligned_b)


def check_aligned(a: Answers, b: Answers) -> None:
    """Refuse two runs whose arrays do not stand for the same questions.

    Raises:
        ComparisonError: their ids or labels differ.
    """
    if a.ids != b.ids or (a.labels != b.labels).any():
        raise ComparisonError(
            f"the two runs ({len(a)} and {len(b)} questions) are not aligned: their ids or labels "
            "differ. Bring them into one order with mcqa.evaluation.pairing.align_answers."
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
