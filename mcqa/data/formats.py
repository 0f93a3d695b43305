"""The table of formats, how a file's format is told by its rows, and fields under other names.

Many rows would also pass as generic ones, so a row's format is the first of the table that it fits.
All rows must have one format, but for those that fit none. The trap: a RACE file with one row that
lacks its article must not be read as generic, which would drop all the others' articles.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mcqa.data import rows, systemone
from mcqa.data.answers import label_of
from mcqa.data.fields import Fields, Parts, identifier, optional_text, shown
from mcqa.errors import ConfigError, DataError


@dataclass(frozen=True)
class Format:
    """Describe one format."""

    fields: tuple[str, ...]  # the names of its fields, for messages and for `--field`
    matches: Callable[[Fields], bool]  # whether a row looks like it; `parts` checks the rest
    # stem, options, label from a base, and what is special; a list where a row has many questions
    read: Callable[[Fields, int], Parts | list[Parts]]
    more: Mapping[str, str] = field(default_factory=dict)  # fields of parts that may be missing
    labels: str | None = None  # what they are; None for numbers, which have a `label_base`
    id: str = "id"  # of the id, where there is no `id`

    def parts(self, row: Fields, base: int, id: str) -> list[Parts]:
        """Return the questions of a row, called `id` where it has none.

        The ids of many are made of the row's, which is their state's too, and of each one's name.

        Raises:
            DataError: the row is malformed.
        """
        found = self.read(row, base)
        id = identifier(row) or identifier(row, self.id) or id
        if isinstance(found, Parts):
            more = {part: optional_text(row, name) for part, name in self.more.items()}
            label = label_of(found.kind, found.label)
            return [found._replace(id=id, label=label, **more)]
        state = optional_text(row, "state_id") or id
        return [parts._replace(id=f"{id}/{parts.id}", state_id=state) for parts in found]


def _has(*names: str) -> Callable[[Fields], bool]:
    return lambda row: all(name in row for name in names)


INDEX = "'label' is an index that counts from 0"
FORMATS = {
    "medmcqa": Format(
        ("id", "question", *rows.MEDMCQA_OPTIONS, "cop", "subject_name", "exp"),
        _has("opa", "opb"),
        rows.read_medmcqa,
        {"subject": "subject_name", "explanation": "exp"},
    ),
    "arc": Format(
        ("id", "question", "question_stem", "choices", "answerKey", "fact1"),
        rows.is_arc,
        rows.read_arc,
        {"explanation": "fact1"},
        "'answerKey' is the label of a choice",
    ),
    "mmlu": Format(
        ("id", "question", "subject", "choices", "answer"),
        lambda row: row.keys() >= rows.MMLU and "kind" not in row,
        rows.read_mmlu,
        {"subject": "subject"},
        "'answer' is a letter, or an index that counts from 0",
    ),
    "mmlu_pro": Format(
        ("question_id", "question", "options", "answer", "answer_index", "category", "cot_content"),
        lambda row: row.keys() >= rows.MMLU_PRO and "kind" not in row,
        rows.read_mmlu_pro,
        {"subject": "category", "explanation": "cot_content"},
        "'answer_index' counts from 0",
        "question_id",
    ),
    "frenchmedmcqa": Format(
        ("id", "question", "answers", *rows.FRENCH, "correct_answers", "subject_name"),
        rows.is_frenchmedmcqa,
        rows.read_frenchmedmcqa,
        {"subject": "subject_name"},
        "'correct_answers' are letters",
    ),
    "medqa": Format(
        ("id", "question", "options", "answer_idx", "answer"),
        rows.is_medqa,
        rows.read_medqa,
        labels="'answer_idx' is the key of an option",
    ),
    "swag": Format(
        ("id", "startphrase", "sent1", "sent2", *rows.ENDINGS, "label"),
        _has("ending0", "ending1", "sent1"),
        rows.read_swag,
        labels=INDEX,
    ),
    "hellaswag": Format(
        ("id", "ctx", "endings", "label", "activity_label"),
        _has("endings", "ctx"),
        rows.read_hellaswag,
        {"subject": "activity_label"},
        INDEX,
    ),
    "race": Format(
        ("id", "article", "question", "options", "answer"),
        _has("article", "question", "options"),
        rows.read_race,
        labels="'answer' is a letter",
    ),
    "sciq": Format(
        ("id", "question", "correct_answer", *rows.DISTRACTORS, "support"),
        _has("correct_answer", "distractor1"),
        rows.read_sciq,
        {"context": "support"},
        "'correct_answer' is the right option's text",
    ),
    "pubmedqa": Format(
        ("id", "pubid", "question", "context", "long_answer", "final_decision", *rows.CAPITALS),
        rows.is_pubmedqa,
        rows.read_pubmedqa,
        labels="'final_decision' is yes, no or maybe",
        id="pubid",
    ),
    "boolq": Format(
        ("id", "idx", "question", "passage", "answer", "label"),
        rows.is_boolq,
        rows.read_boolq,
        labels="'answer' is true or false",
        id="idx",
    ),
    "systemone": Format(
        ("id", systemone.STATE, systemone.QUESTIONS, *systemone.GOLD, systemone.TARGETS),
        _has(systemone.STATE, systemone.QUESTIONS),
        systemone.read_systemone,
        labels="they are labels of criteria, levels, yes or no",
    ),
    "generic": Format(
        ("id", *rows.STEM, *rows.OPTIONS, *rows.LABEL, *rows.CONTEXT, *rows.MORE, *rows.OF_KIND),
        rows.is_generic,
        rows.read_generic,
        {name: name for name in rows.MORE},
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
        """Return the file's format; a `DataError` where no row has one, or rows differ."""
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


def parse_fields(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return `NAME=FIELD` texts as a mapping; a `ConfigError` where one is not of that form."""
    fields = {}
    for pair in pairs:
        name, equals, field = (part.strip() for part in pair.partition("="))
        if not (name and equals and field):
            raise ConfigError(f"field {pair!r}: expected NAME=FIELD, like stem=prompt.")
        if name in fields:
            raise ConfigError(f"field {name!r} is mapped twice.")
        fields[name] = field
    check_fields(fields)
    return fields


def check_fields(fields: Mapping[str, str]) -> None:
    """Raise a `ConfigError` where a name in a mapping is no field of any format."""
    known = sorted({name for format in FORMATS.values() for name in format.fields})
    for name in fields:
        if name not in known:
            raise ConfigError(
                f"field {name!r} is known to no format; there are: {', '.join(known)}."
            )


def renamed(row: Fields, fields: Mapping[str, str]) -> Fields:
    """Return a row with the fields that a mapping names under their new names.

    A field may stand inside an object, `question.text`; several with commas between them,
    `right,wrong1,wrong2`, become a list. Where the row lacks one, a `DataError` says so.
    """
    values = {name: _value(row, field) for name, field in fields.items()}
    taken = set(fields.values())
    for same in (rows.STEM, rows.OPTIONS, rows.LABEL):
        if not fields.keys().isdisjoint(same):
            taken.update(same)
    return {name: value for name, value in row.items() if name not in taken} | values


def _value(row: Fields, field: str):
    if field in row:
        return row[field]
    if "," in field:
        return [_value(row, part.strip()) for part in field.split(",")]
    value = row
    for part in field.split("."):
        if not isinstance(value, dict) or part not in value:
            raise DataError(f"the field {field!r}, which --field names, is missing.")
        value = value[part]
    return value
