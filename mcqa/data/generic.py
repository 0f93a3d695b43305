"""Read a row of the project's own format, whose names may be the usual ones of others."""

import json
from contextlib import suppress

from mcqa.data.fields import Fields, Parts, alias, as_text, missing, shown, text
from mcqa.data.labels import generic_label
from mcqa.errors import DataError
from mcqa.question import LETTERS

# The names that a field may have.
STEM = ("question", "stem")
OPTIONS = ("options", "choices")
LABEL = ("label", "answer")
MORE = ("context", "subject", "explanation")


def is_generic(row: Fields) -> bool:
    """Return whether a row has options and a question."""
    has_options = any(name in row for name in OPTIONS) or ("A" in row and "B" in row)
    return has_options and any(name in row for name in STEM)


def read_generic(row: Fields, base: int) -> Parts:
    """Read question, options as a list or as columns A, B, ..., and label."""
    options, label = _options(row), alias(row, LABEL)
    if label is None:
        raise DataError(
            "the field 'label' is missing; it may be null or empty where the answer is not known."
        )
    stem = text(row, alias(row, STEM) or "question")
    return Parts(stem, options, generic_label(row[label], options, base))


def _options(row: Fields) -> tuple[str, ...]:
    name = alias(row, OPTIONS)
    columns = [letter for letter in LETTERS if letter in row]
    if name is None:
        return _lettered(row, columns)
    if columns[:2] == ["A", "B"]:
        raise DataError(f"the options stand in {name!r} and in the columns A, B, ...; keep one.")
    options = row[name]
    if isinstance(options, str):
        with suppress(ValueError, RecursionError):
            options = json.loads(options)
    if not isinstance(options, list):
        raise DataError(
            f"{name!r} must be a list of texts (in a CSV cell a JSON list, "
            f'["yes", "no"]), got {shown(options)}.'
        )
    return tuple(as_text(option, name) for option in options)


def _lettered(row: Fields, columns: list[str]) -> tuple[str, ...]:
    """Return the options in the fields A, B, C, ...; empty ones at the end are no options."""
    if columns != list(LETTERS[: len(columns)]) or len(columns) < 2:
        raise DataError(
            f"no field 'options', and the option columns are {', '.join(columns) or 'none'}; "
            "expected 'options', or A, B, ... without a gap."
        )
    while columns and missing(row[columns[-1]]):
        columns.pop()
    return tuple(text(row, column) for column in columns)
