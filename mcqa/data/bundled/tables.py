"""The facts and phrasings behind the bundled questions, read from the files next to this one.

A kind is one table of facts (`<kind>.tsv`) with its entry in `kinds.yaml`. The first column of a
table is its key: the key's slug names the fact in question ids and decides its split.
"""

import csv
import re
import unicodedata
from dataclasses import dataclass
from importlib import resources
from string import Formatter

import yaml

GROUP = "group"
RIVALS = "rivals"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Hold one row of a table.

    Args:
        id: kind and slug of the key, `capitals/france`.
        values: the text of each column that is asked for or shown.
        group: what the facts share whose answers look alike; a fact of no group has its own.
        rivals: values of other rows that would be right for this row too, normalised.
        elsewhere: whether another table holds the same fact.
    """

    id: str
    values: dict[str, str]
    group: str
    rivals: frozenset[str]
    elsewhere: bool


@dataclass(frozen=True, kw_only=True)
class Phrasing:
    """Hold one way to put the facts of a kind as questions.

    Args:
        number: its place among the phrasings of its kind, from 1.
        asks: the column whose values are the options.
        stem: the question with the names of the given columns in braces.
    """

    number: int
    asks: str
    stem: str

    @property
    def given(self) -> tuple[str, ...]:
        """The columns that the stem shows."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.stem) if name)

    def ask(self, fact: Fact) -> str:
        """Return the stem for a fact, with a capital first letter."""
        stem = self.stem.format_map(fact.values)
        return stem[0].upper() + stem[1:]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Hold a table of facts, what it is about, and its phrasings."""

    name: str
    subject: str
    phrasings: tuple[Phrasing, ...]
    facts: tuple[Fact, ...]


def load_kinds() -> list[Kind]:
    """Read all kinds of fact, in the order of `kinds.yaml`."""
    entries = yaml.safe_load(text_of("kinds.yaml"))
    elsewhere = {id for ids in yaml.safe_load(text_of("same_facts.yaml")) for id in ids}
    return [
        Kind(
            name=name,
            subject=entry["subject"],
            phrasings=tuple(
                Phrasing(number=number, **phrasing)
                for number, phrasing in enumerate(entry["phrasings"], 1)
            ),
            facts=_read_facts(name, elsewhere),
        )
        for name, entry in entries.items()
    ]


def normalise(text: str) -> str:
    """Return a text in the form in which two values are compared."""
    return " ".join(text.casefold().split())


def right_answers(kind: Kind, phrasing: Phrasing, fact: Fact) -> set[str]:
    """Return every value, normalised, that is right for a fact put in a phrasing.

    A row answers the stem as well as the fact does if it agrees in all that the stem shows, or
    if one of the two names the other as its rival. So an answer that two rows share, or a drug
    that belongs to the same class, never becomes a wrong option.
    """

    def shown(other: Fact) -> list[str]:
        return [normalise(other.values[column]) for column in phrasing.given]

    return {
        normalise(other.values[phrasing.asks])
        for other in kind.facts
        if shown(other) == shown(fact) or _names(fact, other) or _names(other, fact)
    }


def _names(fact: Fact, other: Fact) -> bool:
    return any(normalise(value) in fact.rivals for value in other.values.values())


def _read_facts(kind: str, elsewhere: set[str]) -> tuple[Fact, ...]:
    lines = text_of(f"{kind}.tsv").splitlines()
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple(_fact(kind, row, elsewhere) for row in rows)


def _fact(kind: str, row: dict[str, str], elsewhere: set[str]) -> Fact:
    rivals = (row.pop(RIVALS, None) or "").split(";")
    group = row.pop(GROUP, None)
    id = f"{kind}/{slug(next(iter(row.values())))}"
    return Fact(
        id=id,
        values=row,
        group=f"{kind}, {group}" if group else id,
        rivals=frozenset(normalise(rival) for rival in rivals if rival.strip()),
        elsewhere=id in elsewhere,
    )


def text_of(name: str) -> str:
    """Return the content of a file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def slug(text: str) -> str:
    """Return a text as ids hold it, in lower case with hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
