"""Turn the rows of a source into questions, and keep account of those that are none.

A source is read twice: once to find its format and what its labels count from, which takes all of
it, and once for the questions.
"""

import itertools
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mcqa.data.fields import Parts
from mcqa.data.files import Row, Table
from mcqa.data.formats import FORMATS, NAMES, SAME_AS, Detection, check_fields, renamed
from mcqa.data.labels import Cops, LabelBase
from mcqa.data.stored import StoredQuestions
from mcqa.errors import ConfigError, DataError, QuestionError
from mcqa.kinds import KINDS, Label
from mcqa.question import MARKS, Question
from mcqa.system.files import write_whole

POLICIES = ("error", "skip", "keep")
REJECTED = "rejected.jsonl"


class Rejected(NamedTuple):
    """Hold a row that is no question: its source and place, the reason, and what stands there."""

    source: str
    place: str
    reason: str
    row: Any

    def __str__(self) -> str:
        return f"{self.source}, {self.place}: {self.reason}"


@dataclass
class Account:
    """Hold what became of the rows that are no labelled questions."""

    rejected: list[Rejected] = field(default_factory=list)
    hidden: int = 0
    several: int = 0
    skipped: bool = False  # whether the rows with a hidden answer and with several are left out

    def counts(self) -> dict[str, int]:
        """Return how many rows were `rejected` and, without one right answer, `skipped`."""
        skipped = self.hidden + self.several if self.skipped else 0
        return {"rejected": len(self.rejected), "skipped": skipped}

    def remarks(self) -> list[str]:
        """Return what a user should know, in short clauses; nothing where all rows are fine."""
        verb = "skipped" if self.skipped else "kept without a label"
        clauses = (
            (len(self.rejected), "rejected"),
            (self.hidden if self.skipped else 0, "without an answer skipped"),
            (self.several, f"with several right answers {verb}"),
        )
        return [f"{n:,} row{'s' * (n > 1)} {what}" for n, what in clauses if n]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Say how rows are read; a `ConfigError` where that cannot be.

    Args:
        limit: read only the first so many questions. The format and the label base are still found
            from all rows.
        format: a name of `mcqa.data.formats.NAMES`; `auto` tells by the rows' fields.
        label_base: 0 or 1, what number labels count from. By default MedMCQA's is found from its
            labels, and a generic file's is 0.
        fields: where to find a format's fields that have another name, `{"stem": "prompt"}`.
        unlabelled: what to do with a row without exactly one right answer: `keep` it as a question
            without a label, `skip` it, or `error`.
        skip_invalid: leave out rows that cannot be read.
    """

    limit: int | None = None
    format: str = "auto"
    label_base: int | None = None
    fields: Mapping[str, str] | None = None
    unlabelled: str = "keep"
    skip_invalid: bool = False

    def __post_init__(self):
        limited = self.limit is None or (type(self.limit) is int and self.limit >= 1)
        allowed = {
            "limit": (limited, "an integer of at least 1, or None"),
            "format": (self.format in NAMES, ", ".join(NAMES)),
            "label_base": (self.label_base in (None, 0, 1), "0, 1 or None"),
            "unlabelled": (self.unlabelled in POLICIES, ", ".join(POLICIES)),
        }
        faults = [
            f"{name} is {getattr(self, name)!r}; it must be {what}."
            for name, (fine, what) in allowed.items()
            if not fine
        ]
        if faults:
            raise ConfigError(" ".join(faults))
        check_fields(self.fields or {})


class Reader(Iterable[Question]):
    """Iterate over questions; the `account`, kept while iterating, tells of the other rows."""

    name: str  # of the source, for messages
    format: str
    account: Account

    @abstractmethod
    def counts_from(self) -> dict:
        """Return what labels count from, None where they are no numbers, and how that is known."""

    def read_all(self) -> list[Question]:
        """Return all questions; a `DataError` where a row is malformed, or no question is left."""
        return self._some(list(self))

    def store(self) -> StoredQuestions:
        """Return all questions on disk, as `read_all`; a `RunError` where there is no room."""
        return self._some(StoredQuestions(self))

    def _some(self, questions: Sequence[Question]) -> Sequence[Question]:
        if not questions:
            rejected, remarks = self.account.rejected, ", ".join(self.account.remarks())
            first = f" The first: {rejected[0]}" if rejected else ""
            raise DataError(f"{self.name}: no question is left: {remarks}.{first}")
        return questions


class QuestionReader(Reader):
    """Iterate over the questions of a source, after finding out its `format` and label `base`.

    Raises:
        ConfigError: `label_base` is given for a format whose labels are not numbers.
        DataError: the source cannot be read; while iterating, a row is malformed.
    """

    def __init__(self, table: Table, settings: Settings):
        self.table, self.name = table, table.name
        self.settings = settings
        self.account = Account(skipped=settings.unlabelled == "skip")
        self.format, self.base = self._survey()

    def counts_from(self) -> dict:
        """Return the `value` that labels count from, None where they are no numbers, and why."""
        value = self.base.value if FORMATS[self.format].labels is None else None
        return {"value": value, "evidence": self.base.evidence}

    def __iter__(self) -> Iterator[Question]:
        self.account = Account(skipped=self.settings.unlabelled == "skip")
        return itertools.islice(self._questions(), self.settings.limit)

    def _questions(self) -> Iterator[Question]:
        places: dict[str, str] = {}
        for number, (place, row, fault) in enumerate(self._rows(), 1):
            try:
                if fault is not None:
                    raise DataError(fault)
                id = f"{self.table.stem}-{number}"
                of_row = FORMATS[self.format].parts(row, self.base.value, id)
                read = [(_question(parts), parts.label) for parts in of_row]
                for question, _ in read:
                    if question.id in places:
                        raise DataError(
                            f"the id {question.id!r} is already that of {places[question.id]}. "
                            "Give every row an id of its own, or leave out the ids."
                        )
                places |= dict.fromkeys((question.id for question, _ in read), place)
                wanted = [question for question, label in read if self._wants(question, label)]
            except (DataError, QuestionError) as error:
                rejected = Rejected(self.table.name, place, str(error), row)
                if not self.settings.skip_invalid:
                    raise DataError(str(rejected)) from error
                self.account.rejected.append(rejected)
                continue
            yield from wanted

    def _rows(self) -> Iterator[Row]:
        """Yield the rows, their fields under the names of the format."""
        for row in self.table.open():
            if row.fault is None and self.settings.fields:
                try:
                    row = row._replace(fields=renamed(row.fields, self.settings.fields))
                except DataError as error:
                    row = row._replace(fault=str(error))
            yield row

    def _survey(self) -> tuple[str, LabelBase]:
        format, label_base = self.settings.format, self.settings.label_base
        detection, cops, rows, first = Detection(), Cops(), 0, None
        if format == "auto" or (format == "medmcqa" and label_base is None):
            for place, row, fault in self._rows():
                if fault is None:
                    rows += 1
                    detection.see(place, row)
                    cops.see(f"{self.table.name}, {place}", row.get("cop"))
                    continue
                first = first or Rejected(self.table.name, place, fault, row)
                if not self.settings.skip_invalid:
                    raise DataError(str(first))
            if not rows:
                raise DataError(f"{first} No other row can be read either.")
        if format == "auto":
            format = detection.result(self.table.name)
        format = SAME_AS.get(format, format)
        labels = FORMATS[format].labels
        if label_base is None:
            known = LabelBase(0, labels or "the default")
            return format, cops.base() if format == "medmcqa" else known
        if labels is not None:
            raise ConfigError(
                f"{self.table.name}: label_base {label_base} has no meaning for the {format} "
                f"format: {labels}. Leave it out."
            )
        return format, LabelBase(label_base, "given")

    def _wants(self, question: Question, label: Label) -> bool:
        """Apply the policy to a question of no known answer, or of more than its kind has."""
        if question.label is not None or question.targets is not None:
            return True
        if self.settings.unlabelled == "error":
            letters = ", ".join(MARKS[index] for index in label or ())
            what = f"{len(label)} right answers ({letters})" if label else "no right answer"
            raise DataError(
                f"question {question.id!r} has {what}; one is needed here. Pass --unlabelled skip "
                "to leave such rows out (unlabelled= in Python)."
            )
        self.account.hidden += label is None
        self.account.several += label is not None
        return self.settings.unlabelled == "keep"


def _question(parts: Parts) -> Question:
    """Return the question that a row holds, without a label that is no label of its kind.

    Soft labels alone make the label too, so that what was learned from them can be measured.
    """
    kind, label = parts.kind or "choice", parts.label
    if label is None and parts.targets is not None:
        label = KINDS[kind].label_of(parts.targets)
    if isinstance(label, tuple) and not KINDS[kind].several:
        label = None
    return Question(**parts._replace(kind=kind, label=label)._asdict())


def write_rejected(folder: Path, rejected: list[Rejected], announce: Callable[[str], None]) -> None:
    """Write `rejected.jsonl` and say so; with nothing to write, remove what an earlier run left."""
    path = folder / REJECTED
    if not rejected:
        path.unlink(missing_ok=True)
        return
    # not ASCII is escaped, for a row may be rejected because it is no valid Unicode
    lines = (json.dumps(entry._asdict(), default=repr) + "\n" for entry in rejected)
    announce(f"Rejected rows: {write_whole(path, ''.join(lines))}")
