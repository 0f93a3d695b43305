"""Read several typed questions about one state, as `/v1/systemone` asks them, with their answers.

    {"state": ..., "questions": {NAME: {"type": ..., "instructions": ..., "criteria": ...}, ...},
     "gold": {NAME: ...}, "targets": {NAME: ...}}

The questions of a row share the state as their context, and a `state_id`. `questions_of` is for
servers too. An answer is a label of a choice, a level or its number from 0, yes or no; in its place
probabilities, also as a server returns them, are soft labels.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from mcqa.data.answers import is_yes, label_of, targets_of
from mcqa.data.fields import (
    Fields,
    Parts,
    missing,
    optional_text,
    parsed,
    readable_text,
    shown,
    whole_number,
)
from mcqa.data.labels import mark_label
from mcqa.errors import DataError
from mcqa.kinds import KINDS, Label

STATE, QUESTIONS, TARGETS = "state", "questions", "targets"
GOLD = ("gold", "expected", "answers")
ROUNDED = 0.02  # by how much a server's probabilities may miss a sum of 1


class _Type(NamedTuple):
    kind: str
    options: Callable[[Any], tuple]  # names, and what the model reads, from the criteria
    stem: str  # where there are no instructions


def _described(criteria: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not isinstance(criteria, dict):
        raise DataError(f"'criteria' must be an object of labels, got {shown(criteria)}.")
    told = (_with(name, description) for name, description in criteria.items())
    return tuple(criteria), tuple(told)


def _levels(criteria: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not isinstance(criteria, list):
        raise DataError(f"'criteria' must be a list of levels, got {shown(criteria)}.")
    names = tuple(map(str, range(len(criteria))))
    return names, tuple(readable_text(level, "criteria") for level in criteria)


def _yes_or_no(criteria: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    criteria = {} if criteria is None else criteria
    if not isinstance(criteria, dict) or not criteria.keys() <= {"true", "false"}:
        raise DataError(f"'criteria' may have 'true' and 'false', got {shown(criteria)}.")
    yes, no = KINDS["yes_no"].options
    told = _with(yes, criteria.get("true")), _with(no, criteria.get("false"))
    return (yes.lower(), no.lower()), told


def _with(name: str, description: Any) -> str:
    return name if missing(description) else f"{name}: {readable_text(description, 'criteria')}"


TYPES = {
    "choice": _Type("choice", _described, "Which of these is right?"),
    "noul": _Type("yes_no", _yes_or_no, "Yes or no?"),
    "score": _Type("scale", _levels, "Which of these levels is it?"),
    "several": _Type("several", _described, "Which of these are right?"),
}


def read_systemone(row: Fields, base: int) -> list[Parts]:
    """Return the questions of a row, whose ids are their names."""
    gold = [name for name in GOLD if name in row]
    if len(gold) > 1:
        raise DataError(f"the fields {' and '.join(map(repr, gold))} mean the same; keep one.")
    asked = questions_of(row.get(STATE), parsed(row.get(QUESTIONS)))
    answers = _by_name(row, gold[0], asked) if gold else {}
    soft = _by_name(row, TARGETS, asked)
    return [
        _answered(parts, answers.get(name), soft.get(name), optional_text(row, "subject"))
        for name, parts in asked.items()
    ]


def questions_of(state: Any, questions: Any) -> dict[str, Parts]:
    """Return what a request asks, by name; their `id` is the name, and labels are unknown.

    Args:
        state: a text, object or list.
        questions: an object of question objects.

    Raises:
        DataError: one cannot be read; the message names it.
    """
    context = readable_text(state, STATE)
    if not isinstance(questions, dict) or not questions:
        raise DataError(f"{QUESTIONS!r} must be an object of questions, got {shown(questions)}.")
    return {name: _question(name, asked, context) for name, asked in questions.items()}


def _question(name: str, asked: Any, context: str) -> Parts:
    kind = asked.get("type") if isinstance(asked, dict) else None
    if not isinstance(kind, str) or kind not in TYPES:
        raise DataError(
            f"question {name!r} must be an object whose 'type' is {', '.join(TYPES)}, got "
            f"{shown(asked)}."
        )
    known, instructions = TYPES[kind], asked.get("instructions")
    try:
        names, options = known.options(asked.get("criteria"))
        stem = known.stem
        if not missing(instructions):
            stem = readable_text(instructions, "instructions")
    except DataError as error:
        raise DataError(f"question {name!r}: {error}") from error
    return Parts(stem, options, None, context, id=name, kind=known.kind, names=names)


def _by_name(row: Fields, field: str, asked: dict[str, Parts]) -> dict:
    """Return a field that holds something for each question, by the questions' names."""
    found = {} if missing(row.get(field)) else parsed(row[field])
    if not isinstance(found, dict):
        raise DataError(f"{field!r} must be an object by the questions' names, got {shown(found)}.")
    if unknown := sorted(found.keys() - asked.keys()):
        raise DataError(
            f"{field!r} answers {unknown[0]!r}, which is not asked; there are {', '.join(asked)}."
        )
    return found


def _answered(parts: Parts, answer: Any, soft: Any, subject: str | None) -> Parts:
    stands_for = isinstance(answer, dict) or (type(answer) is float and not answer.is_integer())
    if missing(soft) and stands_for:
        answer, soft = None, answer
    try:
        label, targets = label_of(parts.kind, _label(parts, answer)), _targets(parts, soft)
    except DataError as error:
        raise DataError(f"question {parts.id!r}: {error}") from error
    return parts._replace(label=label, targets=targets, subject=subject)


def _label(parts: Parts, answer: Any) -> Label:
    if answer in parts.options:
        return parts.options.index(answer)
    if KINDS[parts.kind].options:
        yes = {1: True, 0: False}.get(whole_number(answer), is_yes(answer))
        return mark_label(answer, parts.names, "gold") if yes is None else int(not yes)
    return mark_label(answer, parts.names, "gold")


def _targets(parts: Parts, soft: Any) -> tuple[float, ...] | None:
    if isinstance(soft, dict) and not soft.keys() <= set(parts.names):  # a server's whole answer
        soft = soft.get("probabilities", soft.get("noul", soft))
    if KINDS[parts.kind].options and type(soft) in (int, float) and not missing(soft):
        soft = [soft, 1 - soft]
    targets = targets_of(soft, parts.names)
    if targets and not KINDS[parts.kind].several and abs(sum(targets) - 1) <= ROUNDED:
        return tuple(target / sum(targets) for target in targets)
    return targets
