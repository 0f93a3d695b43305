"""Read labels, the field that data sets disagree on most.

MedMCQA counts its options from 1 in the raw release and from 0 on the Hub, under the same field
name. A wrong guess shifts every answer by one and looks like a bad model, so the base is never
assumed: it is proven by the file, or given by the user.
"""

import re
from collections.abc import Iterable
from typing import Any

from mcqa.errors import DataError
from mcqa.question import LETTERS

# Pandas writes a column of integers with gaps as 1.0, 2.0.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.0+)?")


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


def medmcqa_base(cops: Iterable[tuple[str, Any]], label_base: int | None) -> int:
    """Find out whether a MedMCQA file counts its options from 0 or from 1.

    Args:
        cops: the place and the `cop` of every row of the file.
        label_base: 0 or 1 where the user says so, else None.

    Returns:
        The base; 0 where no row has a label.

    Raises:
        DataError: the labels contradict each other, or fit both bases.
    """
    if label_base is not None:
        return label_base
    first: dict[int, str] = {}
    for place, cop in cops:
        try:
            number = _cop(cop)
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
        if number is not None:
            first.setdefault(number, place)
    if 0 in first and 4 in first:
        raise DataError(
            f"{first[0]}: 'cop' is 0, so labels would count from 0, but on {first[4]} it is 4, "
            "so they would count from 1. Correct the file, or split it in two."
        )
    if first and 0 not in first and 4 not in first:
        raise DataError(
            f"{next(iter(first.values()))}: ambiguous labels. The file's 'cop' values are "
            f"{', '.join(map(str, sorted(first)))}; only a 0 or a 4 would show where they start. "
            "Pass --label-base 0 (Hub copy) or --label-base 1 (raw release); "
            "label_base= in Python."
        )
    return 1 if 4 in first else 0


def medmcqa_label(cop: Any, base: int) -> int | None:
    """Return the 0-based label of a `cop`; null, blank and -1 are labels that are hidden."""
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
    number = -1 if missing(value) else whole_number(value)
    if number is None or not -1 <= number <= 4:
        raise DataError(
            f"'cop' is {shown(value)}; expected the right option's number (0 to 3, or 1 to 4), "
            "or -1 or null for none."
        )
    return None if number == -1 else number


def arc_label(key: Any, marks: list[str]) -> int | None:
    """Return the index of the choice whose label is the `answerKey`; None for null and blank."""
    if missing(key):
        return None
    mark = str(key).strip()
    if mark not in marks:
        raise DataError(
            f"'answerKey' is {shown(key)}, which is the label of no choice "
            f"({', '.join(marks)}); use null where the answer is not known."
        )
    return marks.index(mark)


def generic_label(value: Any, options: tuple[str, ...], base: int) -> int | None:
    """Return the 0-based label of an index, a letter or an option's text; None for null and blank.

    A number is an index, counted from `base`. A text may be an index, a letter or an option's
    text, and must mean one option however it is read.
    """
    if missing(value):
        return None
    readings = _readings(value, options, base)
    if len(readings) == 1:
        return next(iter(readings))
    if readings:
        meanings = " or ".join(
            f"option {LETTERS[index]} (by {how})" for index, how in readings.items()
        )
        raise DataError(
            f"label {shown(value)} can mean {meanings}. Write the option's index counted from "
            f"{base} as a JSON number, or a letter or index that is not the text of an option."
        )
    number = whole_number(value)
    if number is None:
        raise DataError(
            f"label {shown(value)} is no option's index, letter (A to "
            f"{LETTERS[len(options) - 1]}) or exact text; use null where it is not known."
        )
    remedy = ""
    if base == 0 and number == len(options):
        remedy = " If labels count from 1 in this file, pass --label-base 1."
    raise DataError(
        f"label {number} is out of range: with {len(options)} options and label base {base} "
        f"an index is {base} to {base + len(options) - 1}, null for none.{remedy}"
    )


def _readings(value: Any, options: tuple[str, ...], base: int) -> dict[int, str]:
    """Return every option that a label can mean, and how it must be read to mean it."""
    readings: dict[int, str] = {}
    number = whole_number(value)
    if number is not None and 0 <= number - base < len(options):
        readings[number - base] = "index"
    if isinstance(value, str):
        word = value.strip()
        if len(word) == 1 and word.upper() in LETTERS[: len(options)]:
            readings.setdefault(LETTERS.index(word.upper()), "letter")
        for index, option in enumerate(options):
            if option == word:
                readings.setdefault(index, "text")
    return readings
