"""The table of formats, and how a file's format is told by its rows.

Many rows would also pass as generic ones, so the table has an order, and a row's format is the
first that it fits. All rows must have one format; a row that fits none does not count, for reading
it says what it lacks. So the order of the rows does not matter. The trap: a RACE file with one row
that lacks its article must not be read as generic, which would drop all the others' articles.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mcqa.data import generic, published
from mcqa.data.fields import Fields, Parts, shown
from mcqa.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Format:
    """Describe one format.

    Args:
        fields: the names of its fields, for messages and for `--field`.
        matches: whether a row looks like this format; `read` checks the rest.
        read: take a row apart, given what number labels count from.
        counts: whether `label_base` has a meaning here.
        labels: what its labels are, for the report of `mcqa check`.
    """

    fields: tuple[str, ...]
    matches: Callable[[Fields], bool]
    read: Callable[[Fields, int], Parts]
    counts: bool = False
    labels: str = ""


FORMATS = {
    "medmcqa": Format(
        fields=("id", "question", *published.MEDMCQA_OPTIONS, "cop", "subject_name", "exp"),
        matches=published.is_medmcqa,
        read=published.read_medmcqa,
        counts=True,
    ),
    "arc": Format(
        fields=("id", "question", "question_stem", "choices", "answerKey", "fact1"),
        matches=published.is_arc,
        read=published.read_arc,
        labels="'answerKey' is the label of a choice",
    ),
    "mmlu": Format(
        fields=("id", "question", "subject", "choices", "answer"),
        matches=published.is_mmlu,
        read=published.read_mmlu,
        labels="'answer' is a letter, or an index that counts from 0",
    ),
    "medqa": Format(
        fields=("id", "question", "options", "answer_idx", "answer"),
        matches=published.is_medqa,
        read=published.read_medqa,
        labels="'answer_idx' is the key of an option",
    ),
    "swag": Format(
        fields=("id", "startphrase", "sent1", "sent2", *published.ENDINGS, "label"),
        matches=published.is_swag,
        read=published.read_swag,
        labels="'label' is an index that counts from 0",
    ),
    "hellaswag": Format(
        fields=("id", "ctx", "endings", "label", "activity_label"),
        matches=published.is_hellaswag,
        read=published.read_hellaswag,
        labels="'label' is an index that counts from 0",
    ),
    "race": Format(
        fields=("id", "article", "question", "options", "answer"),
        matches=published.is_race,
        read=published.read_race,
        labels="'answer' is a letter",
    ),
    "sciq": Format(
        fields=("id", "question", "correct_answer", *published.DISTRACTORS, "support"),
        matches=published.is_sciq,
        read=published.read_sciq,
        labels="'correct_answer' is the right option's text",
    ),
    "pubmedqa": Format(
        fields=(
            *("id", "pubid", "question", "context", "long_answer", "final_decision"),
            *("QUESTION", "CONTEXTS", "LONG_ANSWER"),
        ),
        matches=published.is_pubmedqa,
        read=published.read_pubmedqa,
        labels="'final_decision' is yes, no or maybe",
    ),
    "generic": Format(
        fields=(
            *("id", *generic.STEM, *generic.OPTIONS, *generic.LABEL),
            *("context", "subject", "explanation"),
        ),
        matches=generic.is_generic,
        read=generic.read_generic,
        counts=True,
    ),
}

# Sets whose rows have the fields of another format.
SAME_AS = {"commonsenseqa": "arc", "openbookqa": "arc"}

NAMES = ("auto", *FORMATS, *SAME_AS)


class Detection:
    """Find out the format of a file while its rows go by."""

    def __init__(self):
        self._first: dict[str, str] = {}  # where each format was first seen
        self._unknown: tuple[str, Fields] | None = None

    def see(self, place: str, row: Fields) -> None:
        """Take note of one row."""
        name = next((name for name, known in FORMATS.items() if known.matches(row)), None)
        if name is not None:
            self._first.setdefault(name, place)
        elif self._unknown is None:
            self._unknown = place, row

    def result(self, source: str) -> str:
        """Return the file's format.

        Raises:
            DataError: no row looks like a known format, or rows look like different ones.
        """
        found = self._first
        if found.keys() == {"mmlu", "generic"}:  # generic rows, some of which have a subject
            return "generic"
        if len(found) == 1:
            return next(iter(found))
        if found:
            places = ", ".join(f"{place} is {name}" for name, place in found.items())
            raise DataError(
                f"{source}: the rows have different formats: {places}. Put them into separate "
                "files, or name the right one with --data-format."
            )
        place, row = self._unknown
        fields = ", ".join(map(shown, row)) or "(none)"
        formats = "; ".join(f"{name} ({', '.join(f.fields)})" for name, f in FORMATS.items())
        raise DataError(
            f"{source}: no known format. {place.capitalize()} has the fields {fields}. "
            "Map them with --field, like --field stem=FIELD --field options=FIELD "
            f"--field label=FIELD, or rename them to fit a known format: {formats}."
        )
