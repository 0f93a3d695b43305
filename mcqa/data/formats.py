"""Turn rows into questions: one function per format, and a table of the formats.

Texts are stripped at both ends, for a stray space there would change every score. Numbers are
taken as texts, since a table writer may have stored a column of options as numbers.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from mcqa.data.files import Table
from mcqa.data.labels import (
    arc_label,
    generic_label,
    medmcqa_base,
    medmcqa_label,
    missing,
    shown,
    whole_number,
)
from mcqa.errors import ConfigError, DataError, QuestionError
from mcqa.question import LETTERS, Question

Fields = dict[str, Any]

_MEDMCQA_OPTIONS = ("opa", "opb", "opc", "opd")

# The names a generic field may have.
_QUESTION = ("question", "stem")
_OPTIONS = ("options", "choices")
_LABEL = ("label", "answer")


@dataclass(frozen=True, kw_only=True)
class Format:
    """Describe one format.

    Args:
        needs: the fields of a row, for messages.
        matches: whether a row looks like this format; `convert` checks the rest.
        base: what labels count from, given all rows and the user's `label_base`.
        convert: make a question of a row, an id and a label base.
    """

    needs: str
    matches: Callable[[Fields], bool]
    base: Callable[[Table, int | None], int]
    convert: Callable[[Fields, str, int], Question]


def detect_format(table: Table) -> str:
    """Return the name of the one format that the rows look like.

    A row that looks like no format does not count here: reading it says what it lacks.

    Raises:
        DataError: no row looks like a known format, or rows look like different ones.
    """
    found: dict[str, str] = {}
    for row in table.rows:
        for name, known in FORMATS.items():
            if known.matches(row.fields):
                found.setdefault(name, row.place)
                break
    if len(found) == 1:
        return next(iter(found))
    if found:
        places = ", ".join(f"{place} is {name}" for name, place in found.items())
        raise DataError(
            f"{table.name}: the rows have different formats: {places}. "
            "Put them into separate files."
        )
    first = table.rows[0]
    formats = "; ".join(f"{name} ({known.needs})" for name, known in FORMATS.items())
    raise DataError(
        f"{table.name}: no known format. {first.place.capitalize()} has the fields "
        f"{', '.join(map(str, first.fields)) or '(none)'}. Known formats and their fields: "
        f"{formats}. Rename the fields to fit one."
    )


def to_questions(
    table: Table, name: str, *, label_base: int | None = None, limit: int | None = None
) -> list[Question]:
    """Turn the first `limit` rows into questions; the label base is read from all rows.

    Raises:
        DataError: a row is malformed, or two rows have one id.
        ConfigError: `label_base` is given for a format whose labels are not numbers.
    """
    chosen = FORMATS[name]
    base = chosen.base(table, label_base)
    questions = []
    places: dict[str, str] = {}
    for number, row in enumerate(table.rows[:limit], 1):
        where = f"{table.name}, {row.place}"
        try:
            row_id = _id(row.fields, f"{table.stem}-{number}")
            questions.append(chosen.convert(row.fields, row_id, base))
        except (DataError, QuestionError) as error:
            raise DataError(f"{where}: {error}") from error
        if row_id in places:
            raise DataError(
                f"{where}: the id {row_id!r} is already that of {places[row_id]}. "
                "Give every row an id of its own, or leave out the ids."
            )
        places[row_id] = row.place
    return questions


def _medmcqa(row: Fields, row_id: str, base: int) -> Question:
    # The explanation in `exp` gives the answer away, so it must not become the context.
    return Question(
        id=row_id,
        stem=_text(row, "question"),
        options=tuple(_text(row, name) for name in _MEDMCQA_OPTIONS),
        label=medmcqa_label(row.get("cop"), base),
        subject=_optional_text(row, "subject_name"),
    )


def _is_medmcqa(row: Fields) -> bool:
    return "opa" in row and "opb" in row


def _medmcqa_base(table: Table, label_base: int | None) -> int:
    cops = ((f"{table.name}, {row.place}", row.fields.get("cop")) for row in table.rows)
    return medmcqa_base(cops, label_base)


def _arc(row: Fields, row_id: str, base: int) -> Question:
    question = row.get("question")
    if isinstance(question, dict):
        stem, choices = _text(question, "stem", "question."), question.get("choices")
    else:
        stem = _text(row, "question_stem" if "question_stem" in row else "question")
        choices = row.get("choices")
    marks, options = _arc_choices(choices)
    return Question(
        id=row_id, stem=stem, options=options, label=arc_label(row.get("answerKey"), marks)
    )


def _arc_choices(choices: Any) -> tuple[list[str], tuple[str, ...]]:
    """Return the labels and the texts of raw choices (a list) or Hub choices (two lists)."""
    if isinstance(choices, dict):
        labels, texts = choices.get("label"), choices.get("text")
        if not isinstance(labels, list) or not isinstance(texts, list) or len(labels) != len(texts):
            raise DataError(
                "'choices' must hold two lists of one length, 'label' and 'text', "
                f"got {shown(choices)}."
            )
        choices = [
            {"label": label, "text": text} for label, text in zip(labels, texts, strict=True)
        ]
    if not (isinstance(choices, list) and choices and all(isinstance(c, dict) for c in choices)):
        raise DataError(
            "'choices' must be a list of objects with 'label' and 'text', or an object of two "
            f"lists, got {shown(choices)}."
        )
    marks = [_text(choice, "label", "choices.") for choice in choices]
    if len(set(marks)) < len(marks):
        raise DataError(f"two choices have one label ({', '.join(marks)}).")
    return marks, tuple(_text(choice, "text", "choices.") for choice in choices)


def _is_arc(row: Fields) -> bool:
    choices = row.get("choices")
    return (
        isinstance(row.get("question"), dict)
        or isinstance(choices, dict)
        or (isinstance(choices, list) and bool(choices) and isinstance(choices[0], dict))
    )


def _arc_base(table: Table, label_base: int | None) -> int:
    if label_base is not None:
        raise ConfigError(
            f"{table.name}: label_base {label_base} has no meaning for the arc format, whose "
            "'answerKey' is the label of a choice. Leave it out."
        )
    return 0


def _generic(row: Fields, row_id: str, base: int) -> Question:
    options = _generic_options(row)
    label = _alias(row, _LABEL)
    if label is None:
        raise DataError(
            "the field 'label' is missing; it may be null or empty where the answer is not known."
        )
    question = Question(
        id=row_id,
        stem=_text(row, _alias(row, _QUESTION) or "question"),
        options=options,
        context=_optional_text(row, "context"),
        subject=_optional_text(row, "subject"),
    )
    return replace(question, label=generic_label(row[label], question.options, base))


def _generic_options(row: Fields) -> tuple[str, ...]:
    name = _alias(row, _OPTIONS)
    columns = [letter for letter in LETTERS if letter in row]
    if name is None:
        return _lettered_options(row, columns)
    if columns[:2] == ["A", "B"]:
        raise DataError(f"the options stand in {name!r} and in the columns A, B, ...; keep one.")
    options = row[name]
    if isinstance(options, str):
        with suppress(ValueError):
            options = json.loads(options)
    if not isinstance(options, list):
        raise DataError(
            f"{name!r} must be a list of texts (in a CSV cell a JSON list, "
            f'["yes", "no"]), got {shown(options)}.'
        )
    return tuple(_text({name: option}, name) for option in options)


def _lettered_options(row: Fields, columns: list[str]) -> tuple[str, ...]:
    """Return the options in the fields A, B, C, ...; empty ones at the end are no options."""
    if columns != list(LETTERS[: len(columns)]) or len(columns) < 2:
        raise DataError(
            f"no field 'options', and the option columns are {', '.join(columns) or 'none'}; "
            "expected 'options', or A, B, ... without a gap."
        )
    while columns and missing(row[columns[-1]]):
        columns.pop()
    return tuple(_text(row, column) for column in columns)


def _is_generic(row: Fields) -> bool:
    has_options = any(name in row for name in _OPTIONS) or ("A" in row and "B" in row)
    return has_options and any(name in row for name in _QUESTION)


def _alias(row: Fields, names: tuple[str, ...]) -> str | None:
    """Return which of the names the row uses, or None; two at once could contradict."""
    used = [name for name in names if name in row]
    if len(used) > 1:
        raise DataError(f"the fields {' and '.join(map(repr, used))} mean the same; keep one.")
    return used[0] if used else None


def _id(row: Fields, default: str) -> str:
    if missing(row.get("id")):
        return default
    number = None if isinstance(row["id"], str) else whole_number(row["id"])
    return _text(row, "id") if number is None else str(number)


def _optional_text(row: Fields, name: str) -> str | None:
    return None if missing(row.get(name)) else _text(row, name)


def _text(row: Fields, name: str, parent: str = "") -> str:
    """Return a field as a stripped text; `parent` is put before its name in messages."""
    field = parent + name
    if name not in row:
        raise DataError(f"the field {field!r} is missing.")
    value = row[name]
    if missing(value):
        raise DataError(f"{field!r} is {shown(value)}; expected a text that is not blank.")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{field!r} must be a text, got {shown(value)}.")
    text = str(value).strip()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{field!r} is not valid Unicode ({error.reason}).") from error
    return text


FORMATS = {
    "medmcqa": Format(
        needs="question, opa, opb, opc, opd, cop",
        matches=_is_medmcqa,
        base=_medmcqa_base,
        convert=_medmcqa,
    ),
    "arc": Format(
        needs="question.stem, question.choices, answerKey; or question or question_stem, "
        "choices.label, choices.text, answerKey",
        matches=_is_arc,
        base=_arc_base,
        convert=_arc,
    ),
    "generic": Format(
        needs="question, options or columns A, B, ..., label",
        matches=_is_generic,
        base=lambda table, label_base: label_base or 0,
        convert=_generic,
    ),
}
