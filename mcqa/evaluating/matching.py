"""Bring answers of different evaluators to the same questions: by what was asked, or by id.

A question that is the same to a reader (`mcqa.data.same`) is the same, whatever it is called and in
whichever order its options stand: scores and choices are put into the order of the first. Where a
file does not say what was asked, its ids must do. What has no partner is counted and named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from mcqa.data.same import normalise, question_key
from mcqa.errors import ComparisonError
from mcqa.evaluating.others import Answered
from mcqa.prediction import Prediction
from mcqa.question import Question

NAMED = 5  # of the unmatched ones, so many by their ids


class Matched(NamedTuple):
    """Hold the runs' answers to the questions that all answer, and remarks on what was left."""

    runs: dict[str, list[Prediction]]
    remarks: list[str]


def match(runs: Mapping[str, Answered], questions: Sequence[Question] = ()) -> Matched:
    """Return the runs' answers to the same questions, in one order and with one id for each.

    Args:
        runs: by name, from `mcqa.evaluating.others.read_answers`.
        questions: what to match them to; without any the first run's.

    Raises:
        ComparisonError: no question is answered by all runs.
    """
    first = next(iter(runs.values()))
    asked = {question.id: question for question in questions} or dict(first.questions)
    labels = {id: question.label for id, question in asked.items()}
    labels = labels if questions else {p.id: p.label for p in first.predictions} | labels
    by_key: dict[bytes, list[str]] = {}
    for id, question in asked.items():
        by_key.setdefault(question_key(question), []).append(id)
    matched, remarks = {}, []
    for name, run in runs.items():
        found, left = {}, []
        for prediction in run.predictions:
            own = run.questions.get(prediction.id)
            alike = by_key.get(question_key(own), ()) if own else ()
            free = [id for id in alike if id not in found]
            id = _partner(prediction.id, own, asked, labels, free)
            if id is None or id in found:
                left.append(prediction.id)
            else:
                moved = _moved(prediction, own, asked.get(id))
                label = moved.label if labels[id] is None else labels[id]
                found[id] = replace(moved, id=id, label=label)
        matched[name] = found
        remarks += _remark(f"{name}: {{}} of its {len(run.predictions):,} answers match none", left)
    common = [id for id in labels if all(id in found for found in matched.values())]
    if not common:
        raise ComparisonError(
            f"no question is answered by all of {', '.join(runs)}: neither ids nor texts agree. "
            "Give --data with the questions, or files about the same ones."
        )
    missing = [id for id in labels if id not in set(common)]
    remarks += _remark(f"{{}} of {len(labels):,} questions are not answered by all", missing)
    kept = {name: [found[id] for id in common] for name, found in matched.items()}
    return Matched(kept, remarks)


def _partner(
    id: str,
    own: Question | None,
    asked: Mapping[str, Question],
    labels: Mapping[str, object],
    alike: Sequence[str],
) -> str | None:
    """Return the id of the question that an answer is to, None where there is none.

    Of several questions `alike`, which a set with duplicates has, it is the one of the same id.
    """
    if alike:
        return id if id in alike else alike[0]
    # an id that both use tells nothing where both say what they asked, and it is not the same
    return id if id in labels and (own is None or id not in asked) else None


def _moved(prediction: Prediction, own: Question | None, asked: Question | None) -> Prediction:
    """Return an answer with its options in the order in which the question has them."""
    if own is None or asked is None or own.options == asked.options:
        return prediction
    order = _order(own.options, asked.options)
    moved = {}
    for name in ("scores", "probabilities", "targets"):
        values = getattr(prediction, name)
        moved[name] = values and tuple(values[place] for place in order)
    for name in ("label", "choice"):
        place = getattr(prediction, name)
        if isinstance(place, tuple):
            moved[name] = tuple(sorted(map(order.index, place)))
        elif place is not None:
            moved[name] = order.index(place)
    return replace(prediction, **moved)


def _order(own: Sequence[str], asked: Sequence[str]) -> list[int]:
    """Return where each option that was asked stands in an answer's own question, each once."""
    left, order = dict(enumerate(own)), []
    for option in asked:
        same = [place for place, text in left.items() if text == option]
        same += [place for place, text in left.items() if normalise(text) == normalise(option)]
        order.append(same[0])
        del left[same[0]]
    return order


def _remark(text: str, ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    more = ", …" if len(ids) > NAMED else ""
    return [f"{text.format(f'{len(ids):,}')} ({', '.join(map(repr, ids[:NAMED]))}{more})."]
