"""The facts and phrasings behind the bundled questions, read from the files next to this one.

A kind is one table of facts (`<kind>.tsv`) with its entry in `kinds.yaml`. The first column of a
table is its key: the key's slug names the fact in question ids and decides its split.
"""

import csv
import re
import unicodedata
from importlib import resources
from string import Formatter
from typing import NamedTuple

import yaml


class Fact(NamedTuple):
    """Hold one row of a table."""

    id: str  # kind and slug of the key, `capitals/france`
    values: dict[str, str]  # the text of each column that is asked for or shown
    group: str  # shared by facts whose answers look alike; a fact of no group has its own
    rivals: frozenset[str]  # values of other rows that would be right here too, normalised
    elsewhere: bool  # whether another table holds the same fact

    def names(self, other: "Fact") -> bool:
        """Return whether another fact is a rival of this one."""
        return not self.rivals.isdisjoint(map(normalise, other.values.values()))


class Phrasing(NamedTuple):
    """Hold one way to put the facts of a kind as questions."""

    number: int  # its place among the phrasings of its kind, from 1
    asks: str  # the column whose values are the options
    stem: str  # with the names of the columns that are shown in braces

    @property
    def given(self) -> list[str]:
        """The columns that the stem shows."""
        return [name for _, name, _, _ in Formatter().parse(self.stem) if name]

    def ask(self, fact: Fact) -> str:
        """Return the stem for a fact, with a capital first letter."""
        stem = self.stem.format_map(fact.values)
        return stem[0].upper() + stem[1:]


class Kind(NamedTuple):
    """Hold a table of facts, what it is about, and its phrasings."""

    name: str
    subject: str
    phrasings: list[Phrasing]
    facts: list[Fact]


def load_kinds() -> list[Kind]:
    """Read all kinds of fact, in the order of `kinds.yaml`."""
    elsewhere = {id for ids in yaml.safe_load(text_of("same_facts.yaml")) for id in ids}
    kinds = []
    for name, entry in yaml.safe_load(text_of("kinds.yaml")).items():
        phrasings = [Phrasing(n, **how) for n, how in enumerate(entry["phrasings"], 1)]
        lines = text_of(f"{name}.tsv").splitlines()
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        facts = [_fact(name, row, elsewhere) for row in rows]
        kinds.append(Kind(name, entry["subject"], phrasings, facts))
    return kinds


def normalise(text: str) -> str:
    """Return a text in the form in which two values are compared; another would move questions."""
    return " ".join(text.casefold().split())


def right_answers(kind: Kind, phrasing: Phrasing, fact: Fact) -> set[str]:
    """Return every value, normalised, that is right for a fact put in a phrasing.

    A row answers the stem as well as the fact does if it agrees in all that the stem shows, or
    if one of the two names the other as its rival.
    """

    def shown(fact: Fact) -> list[str]:
        return [normalise(fact.values[column]) for column in phrasing.given]

    return {
        normalise(other.values[phrasing.asks])
        for other in kind.facts
        if shown(other) == shown(fact) or fact.names(other) or other.names(fact)
    }


def _fact(kind: str, row: dict[str, str], elsewhere: set[str]) -> Fact:
    named = (row.pop("rivals", None) or "").split(";")
    rivals = frozenset(normalise(rival) for rival in named if rival.strip())
    group = row.pop("group", None)
    id = f"{kind}/{slug(next(iter(row.values())))}"
    return Fact(id, row, f"{kind}, {group}" if group else id, rivals, id in elsewhere)


def text_of(name: str) -> str:
    """Return the content of a file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def slug(text: str) -> str:
    """Return a text as ids hold it, in lower case with hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
