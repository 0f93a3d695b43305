"""Read labels, the field that data sets disagree on most.

MedMCQA counts its options from 1 in the raw release and from 0 on the Hub. A wrong guess shifts
every answer by one and looks like a bad model, so the base is proven by the file, or given by the
user. Nor is one of several right answers picked: they are all returned, and a policy decides.
"""

import itertools
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from mcqa.data.fields import missing, parsed, shown, whole_number
from mcqa.errors import DataError
from mcqa.kinds import Label
from mcqa.question import MARKS, MOST_OPTIONS

_SEPARATORS = re.compile(r"\s*[,;/|&]\s*|\s+")


class LabelBase(NamedTuple):
    """Hold what number labels count from, and how that is known."""

    value: int
    evidence: str


class Cops:
    """Gather the `cop` of every row of a MedMCQA file, to find what they count from."""

    def __init__(self):
        self._first: dict[int, str] = {}
        self._fault: DataError | None = None

    def see(self, place: str, value: Any) -> None:
        """Take note of one row's `cop`."""
        try:
            if (number := _cop(value)) is not None:
                self._first.setdefault(number, place)
        except DataError as error:
            self._fault = self._fault or DataError(f"{place}: {error}")

    def base(self) -> LabelBase:
        """Return what the file counts its options from; a `DataError` where that is not clear."""
        first = self._first
        if 0 in first and 4 in first:
            raise DataError(
                f"{first[0]}: 'cop' is 0, so labels would count from 0, but on {first[4]} it is "
                "4, so they would count from 1. Correct the file, or split it in two."
            )
        for number, base in ((0, 0), (4, 1)):
            if number in first:
                return LabelBase(base, f"'cop' is {number} on {first[number]}")
        if not first:
            return LabelBase(0, "no row has a label")
        raise self._fault or DataError(
            f"{next(iter(first.values()))}: ambiguous labels. The file's 'cop' values are "
            f"{', '.join(map(str, sorted(first)))}; only a 0 or a 4 would show where they start. "
            "Pass --label-base 0 (Hub copy) or --label-base 1 (raw release); "
            "label_base= in Python."
        )


def medmcqa_label(cop: Any, base: int) -> int | None:
    """Return the 0-based label of a `cop`."""
    number = _cop(cop)
    if number is None:
        return None
    if not base <= number < base + 4:
        raise DataError(
            f"'cop' is {number}, but with label base {base} it must be {base} to {base + 3}, "
            f"or -1 for none. Correct the row, or pass --label-base {1 - base}."
        )
    return number - base


def _cop(value: Any) -> int | None:
    return _number(value, 4, "cop", "number (0 to 3, or 1 to 4), or -1 or null for none")


def index_label(value: Any, count: int, field: str) -> int | None:
    """Return an index counted from 0."""
    expected = f"index, 0 to {count - 1}, or -1 or null where it is not known"
    return _number(value, count - 1, field, expected)


def _number(value: Any, last: int, field: str, expected: str) -> int | None:
    """Return a number from 0 to `last`; null, blank and -1 are labels that are hidden."""
    number = -1 if missing(value) else whole_number(value)
    if number is None or not -1 <= number <= last:
        raise DataError(f"{field!r} is {shown(value)}; expected the right option's {expected}.")
    return None if number == -1 else number


def mark_label(key: Any, marks: Iterable[str], field: str) -> Label:
    """Return the index of the option whose mark a row's key is, or several; None for a blank.

    An empty list says that none is right.
    """
    if missing(key):
        return None
    marks, keys = list(marks), key if isinstance(key, list) else [key]
    if _is_mask(keys, len(marks)):
        return _one_or_several(itertools.compress(itertools.count(), keys))
    if isinstance(key, str) and key.strip() not in marks:
        keys = _SEPARATORS.split(key.strip())
    named = [one.strip() if isinstance(one, str) else str(whole_number(one)) for one in keys]
    if not set(named) <= set(marks):
        raise DataError(
            f"{field!r} is {shown(key)}, which is the label of no choice "
            f"({', '.join(marks)}); use null where the answer is not known."
        )
    return _one_or_several(map(marks.index, named))


def generic_label(value: Any, options: tuple[str, ...], base: int) -> Label:
    """Return the 0-based label of an index from `base`, a letter, an option's text, or several.

    A text must mean one option however it is read; null and blank are none, and an empty list, or
    one of nothing but false, says that no option is right.
    """
    if missing(value) or len(options) > MOST_OPTIONS:  # so many options are refused anyway
        return None
    if isinstance(value, list):
        return _listed(value, options, base)
    readings = _readings(value, options, base)
    if len(readings) == 1:
        return next(iter(readings))
    if readings:
        meanings = " or ".join(f"option {MARKS[i]} (by {how})" for i, how in readings.items())
        raise DataError(
            f"label {shown(value)} can mean {meanings}. Write the option's index counted from "
            f"{base} as a JSON number, or a letter or index that is not the text of an option."
        )
    if isinstance(listed := parsed(value), list):  # a CSV cell
        return _listed(listed, options, base)
    if isinstance(value, str) and len(parts := re.split(r"\s*[,;]\s*", value.strip())) > 1:
        return _listed(parts, options, base)
    number = whole_number(value)
    if number is None:
        raise DataError(
            f"label {shown(value)} is no option's index, letter (A to "
            f"{MARKS[len(options) - 1]}) or exact text; use null where it is not known."
        )
    shifted = base == 0 and number == len(options)
    remedy = " If labels count from 1 in this file, pass --label-base 1." if shifted else ""
    raise DataError(
        f"label {shown(number)} is out of range: with {len(options)} options and label base {base} "
        f"an index is {base} to {base + len(options) - 1}, null for none.{remedy}"
    )


def _listed(values: list, options: tuple[str, ...], base: int) -> Label:
    """Read several labels, or what is true of each option; zeros and ones could be either."""
    if _is_mask(values, len(options)):
        return _one_or_several(itertools.compress(itertools.count(), values))
    if len(values) == len(options) and {whole_number(value) for value in values} <= {0, 1}:
        raise DataError(
            f"label {shown(values)} can be indexes, or a 1 for each right option. Write the "
            "letters of the right options instead."
        )
    found = []
    for value in values:
        label = None if isinstance(value, list) else generic_label(value, options, base)
        if not isinstance(label, int):
            raise DataError(f"label {shown(values)}: {shown(value)} is not one option.")
        found.append(label)
    return _one_or_several(found)


def _is_mask(values: list, count: int) -> bool:
    """Return whether values say of each option whether it is right."""
    return len(values) == count and all(isinstance(value, bool) for value in values)


def _one_or_several(indices: Iterable[int]) -> Label:
    distinct = tuple(sorted(set(indices)))
    return distinct[0] if len(distinct) == 1 else distinct


def _readings(value: Any, options: tuple[str, ...], base: int) -> dict[int, str]:
    """Return every option that a label can mean, and how it must be read to mean it."""
    readings: dict[int, str] = {}
    number = whole_number(value)
    if number is not None and 0 <= number - base < len(options):
        readings[number - base] = "index"
    if isinstance(value, str):
        word = value.strip()
        if word.upper() in MARKS[: len(options)]:
            readings.setdefault(MARKS.index(word.upper()), "letter")
        for index, option in enumerate(options):
            if option == word:
                readings.setdefault(index, "text")
    return readings
