"""Read one field of a row: a text, a number, or nothing; a `DataError` names what cannot be read.

Texts are stripped at both ends, for a stray space there would change every score. Numbers are
taken as texts, since a table writer may have stored a column of options as numbers.
"""

import json
import re
from contextlib import suppress
from typing import Any, NamedTuple

from mcqa.errors import DataError
from mcqa.kinds import Label
from mcqa.question import readable

Fields = dict[str, Any]

# Pandas writes a column of integers with gaps as 1.0, 2.0.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.0+)?")


class Parts(NamedTuple):
    """Hold what a format reads from a row: a question, whose label may be several of any kind.

    The kind is None where the row does not say it, and such a question is a choice.
    """

    stem: str
    options: tuple[str, ...]
    label: Label
    context: str | None = None
    subject: str | None = None
    id: str | None = None
    explanation: str | None = None
    kind: str | None = None
    targets: tuple[float, ...] | None = None
    names: tuple[str, ...] | None = None
    state_id: str | None = None


def missing(value: Any) -> bool:
    """Return whether a value stands for nothing: null, NaN or a blank text."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def shown(value: Any) -> str:
    """Return a value as a message shows it, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def whole_number(value: Any) -> int | None:
    """Return an int, a whole float or a digit string as an int, and anything else as None."""
    if isinstance(value, str):
        value = value.strip()
        return int(float(value)) if _WHOLE_NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == value // 1 else None


def text(row: Fields, name: str, parent: str = "") -> str:
    """Return a field as a stripped text; `parent` is put before its name in messages."""
    if name not in row:
        raise DataError(f"the field {parent + name!r} is missing.")
    return as_text(row[name], parent + name)


def as_text(value: Any, field: str) -> str:
    """Return a value as a stripped text, after making sure that it is one and not blank."""
    if missing(value):
        raise DataError(f"{field!r} is {shown(value)}; expected a text that is not blank.")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{field!r} must be a text, got {shown(value)}.")
    stripped = str(value).strip()
    try:
        stripped.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{field!r} is not valid Unicode ({error.reason}).") from error
    return stripped


def optional_text(row: Fields, name: str) -> str | None:
    """Return a field as a stripped text, None where it is missing or blank."""
    return None if missing(row.get(name)) else text(row, name)


def readable_text(value: Any, field: str) -> str:
    """Return a text, or JSON as the YAML that a prompt shows."""
    if isinstance(value, dict | list) and value:
        try:
            value = readable(value)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{field!r} cannot be shown as YAML ({error}).") from error
    return as_text(value, field)


def parsed(value: Any) -> Any:
    """Return what a text holds as JSON, as in a CSV cell; what holds none is returned as it is."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def texts(row: Fields, name: str) -> tuple[str, ...]:
    """Return a field that is a list of texts."""
    values = row.get(name)
    if not isinstance(values, list):
        raise DataError(f"{name!r} must be a list of texts, got {shown(values)}.")
    return tuple(as_text(value, name) for value in values)


def identifier(row: Fields, name: str = "id") -> str | None:
    """Return a row's id; a whole number that a table writer made a float is written without .0."""
    value = row.get(name)
    number = None if isinstance(value, str) else whole_number(value)
    return optional_text(row, name) if number is None else str(number)
