"""The table of formats, and how a file's format is told by its rows.

Many rows would also pass as generic ones, so the table has an order, and a row's format is the
first that it fits. All rows must have one format; a row that fits none does not count, for reading
it says what it lacks. So the order of the rows does not matter. The trap: a RACE file with one row
that lacks its article must not be read as generic, which would drop all the others' articles.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mcqa.data import generic, published
from mcqa.data.fields import Fields, Parts, identifier, optional_text, shown
from mcqa.errors import DataError


@dataclass(frozen=True)
class Format:
    """Describe one format.

    Its `labels` say what they are for the report of `mcqa check`, and are None where they are
    numbers, for which `label_base` has a meaning.
    """

    fields: tuple[str, ...]  # the names of its fields, for messages and for `--field`
    matches: Callable[[Fields], bool]  # whether a row looks like it; `parts` checks the rest
    read: Callable[[Fields, int], Parts]  # stem, options, label from a base, and what is special
    more: Mapping[str, str] = field(default_factory=dict)  # fields of parts that may be missing
    labels: str | None = None

    def parts(self, row: Fields, base: int) -> Parts:
        """Take a row apart; a `DataError` where it is malformed."""
        parts = self.read(row, base)
        more = {part: optional_text(row, name) for part, name in self.more.items()}
        return parts._replace(id=parts.id or identifier(row), **more)


def _has(*names: str) -> Callable[[Fields], bool]:
    return lambda row: all(name in row for name in names)


INDEX = "'label' is an index that counts from 0"
FORMATS = {
    "medmcqa": Format(
        ("id", "question", *published.MEDMCQA_OPTIONS, "cop", "subject_name", "exp"),
        _has("opa", "opb"),
        published.read_medmcqa,
        {"subject": "subject_name", "explanation": "exp"},
    ),
    "arc": Format(
        ("id", "question", "question_stem", "choices", "answerKey", "fact1"),
        published.is_arc,
        published.read_arc,
        {"explanation": "fact1"},
        "'answerKey' is the label of a choice",
    ),
    "mmlu": Format(
        ("id", "question", "subject", "choices", "answer"),
        _has("question", "subject", "choices", "answer"),
        published.read_mmlu,
        {"subject": "subject"},
        "'answer' is a letter, or an index that counts from 0",
    ),
    "medqa": Format(
        ("id", "question", "options", "answer_idx", "answer"),
        published.is_medqa,
        published.read_medqa,
        labels="'answer_idx' is the key of an option",
    ),
    "swag": Format(
        ("id", "startphrase", "sent1", "sent2", *published.ENDINGS, "label"),
        _has("ending0", "ending1", "sent1"),
        published.read_swag,
        labels=INDEX,
    ),
    "hellaswag": Format(
        ("id", "ctx", "endings", "label", "activity_label"),
        _has("endings", "ctx"),
        published.read_hellaswag,
        {"subject": "activity_label"},
        INDEX,
    ),
    "race": Format(
        ("id", "article", "question", "options", "answer"),
        _has("article", "question", "options"),
        published.read_race,
        labels="'answer' is a letter",
    ),
    "sciq": Format(
        ("id", "question", "correct_answer", *published.DISTRACTORS, "support"),
        _has("correct_answer", "distractor1"),
        published.read_sciq,
        {"context": "support"},
        "'correct_answer' is the right option's text",
    ),
    "pubmedqa": Format(
        ("id", "pubid", *published.PUBMEDQA),
        published.is_pubmedqa,
        published.read_pubmedqa,
        labels="'final_decision' is yes, no or maybe",
    ),
    "generic": Format(
        ("id", *generic.STEM, *generic.OPTIONS, *generic.LABEL, *generic.MORE),
        generic.is_generic,
        generic.read_generic,
        {name: name for name in generic.MORE},
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
