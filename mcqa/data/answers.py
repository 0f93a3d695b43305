"""Read what a row says of its question's kind, and its answer as that kind has it.

The trap is yes or no: a 1 often means yes, and as an index it is the second option, which says no.
Without options of the row's own to count, it is refused.
"""

from collections.abc import Sequence
from typing import Any

from mcqa.data.fields import Fields, missing, optional_text, parsed, shown, whole_number
from mcqa.data.labels import generic_label
from mcqa.errors import DataError
from mcqa.kinds import KINDS, Label

_YES, _NO = ("yes", "true", "y"), ("no", "false", "n")


def kind_in(row: Fields) -> str | None:
    """Return the kind that a row names, None where it names none."""
    kind = optional_text(row, "kind")
    if kind is not None and kind not in KINDS:
        raise DataError(
            f"'kind' is {shown(kind)}; it must be {', '.join(KINDS)}. Leave it out for a choice, "
            "or map another field with --field kind=FIELD."
        )
    return kind


def label_of(kind: str | None, label: Label) -> Label:
    """Return a label as a kind has it: a set where several options may be right, else an index.

    Several right answers of a row that does not say its kind are left as they are, for a policy.
    """
    if kind is not None and KINDS[kind].several:
        return (label,) if isinstance(label, int) else label
    if kind is not None and isinstance(label, tuple) and len(label) > 1:
        several = next(name for name in KINDS if KINDS[name].several)
        raise DataError(
            f"a question of kind {kind!r} has one right answer, but the label names {len(label)}. "
            f"Correct one of the two, or give it the kind {several!r}."
        )
    return None if label == () else label


def label_for(kind: str | None, value: Any, row_options: tuple, base: int) -> Label:
    """Return the label of a generic row; `row_options` are empty where it names none."""
    fixed = KINDS[kind].options if kind else ()
    if not fixed:
        return generic_label(value, row_options, base)
    if row_options and is_yes(row_options[0]) is False:
        raise DataError(
            f"a question of kind {kind!r} has the option that says yes first, but the options are "
            f"{shown(list(row_options))}. Swap them, and the label where it is an index."
        )
    if (yes := is_yes(value)) is not None:
        return 0 if yes else 1
    if not row_options and whole_number(value) is not None:
        raise DataError(
            f"label {shown(value)} can mean yes or no, or be an index. Write true or false, or "
            "give the options."
        )
    return generic_label(value, row_options or fixed, base)


def is_yes(value: Any) -> bool | None:
    """Return whether a value says yes, None where it says neither yes nor no.

    >>> is_yes(True), is_yes("No"), is_yes("maybe")
    (True, False, None)
    """
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    return True if word in _YES else False if word in _NO else None


def targets_of(value: Any, names: Sequence[str], field: str = "targets") -> tuple | None:
    """Return soft labels: a list of a number for each option, or an object of them by `names`.

    What an object leaves out is 0. Whether they go with the kind is the question's to say.
    """
    if missing(value):
        return None
    found = parsed(value)
    if isinstance(found, dict):
        if unknown := [name for name in found if name not in names]:
            raise DataError(
                f"{field!r} has {shown(unknown[0])}, which is no option; there are "
                f"{', '.join(map(str, names))}."
            )
        found = [found.get(name, 0.0) for name in names]
    if not isinstance(found, list) or not all(type(number) in (int, float) for number in found):
        raise DataError(f"{field!r} must be a number for each option, got {shown(value)}.")
    return tuple(found)
