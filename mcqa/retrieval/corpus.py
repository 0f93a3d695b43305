"""Read passages: a file of them, or the explanations that come with questions.

The trap: an explanation gives its question's answer away, so a passage remembers the questions that
it came with. Word for word the same text may come with several questions; that is one passage.
"""

import contextlib
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mcqa.data import open_questions
from mcqa.data.fields import identifier, shown, text
from mcqa.data.files import READERS, Table, ending_of, read_file
from mcqa.data.formats import FORMATS, renamed
from mcqa.data.reader import Rejected
from mcqa.data.same import text_key
from mcqa.errors import DataError


@dataclass(frozen=True)
class Passage:
    """Hold a text that may be shown as context."""

    id: str  # that of its first question where it is an explanation
    text: str
    origins: tuple[str, ...] = ()  # the `text_key` of the stems of the questions it came with


@dataclass(frozen=True)
class Corpus:
    """Hold passages, no two with one id or, where they come with questions, one text."""

    source: str  # as the user named it
    passages: Sequence[Passage]
    remarks: Sequence[str] = ()  # what was left out, in short clauses
    rejected: Sequence[Rejected] = ()


def read_corpus(
    source: str | os.PathLike, *, limit: int | None = None, skip_invalid: bool = False, **reading
) -> Corpus:
    """Read the passages of a file, or those that come with the questions of a set.

    A file whose rows have the field `text`, and are no questions, holds passages, as does a `.txt`
    file: one a paragraph. Everything else is read as questions, each of which comes with its
    explanation or, where it has none, its context; the settings are `mcqa.data.open_questions`'s.

    Raises:
        DataError: the source cannot be read, or holds no passage.
    """
    table, how = _passage_table(source, reading), {"limit": limit, "skip_invalid": skip_invalid}
    corpus = _read_passages(table, **how) if table else _read_explanations(source, **how, **reading)
    if not corpus.passages:
        raise DataError(f"{source}: no passage in it: {', '.join(corpus.remarks)}.")
    return corpus


def _passage_table(source: str | os.PathLike, reading: Mapping) -> Table | None:
    """Return the rows of a file of passages; None where it holds questions, or is no file."""
    if ending_of(source) == ".txt":
        return read_file(Path(source), paragraphs=True)
    if ending_of(source) not in READERS or not Path(source).is_file():
        return None
    table = read_file(Path(source))
    first = next((row for row in table.open() if row.fault is None), None)
    if first is None:
        return None
    with contextlib.suppress(DataError):  # where no fields of the row can be renamed
        row = renamed(first.fields, reading.get("fields") or {})
        if any(known.matches(row) for known in FORMATS.values()):
            return None
    if "text" in first.fields:
        return table
    if reading.get("format", "auto") != "auto":
        return None
    fields = ", ".join(map(shown, first.fields)) or "(none)"
    raise DataError(
        f"{source}, {first.place}: neither a passage, which has a field 'text' and may have an "
        f"'id', nor a question of a known format; it has the fields {fields}. Rename them; a "
        "question's may be mapped with --field."
    )


def _read_passages(table: Table, limit: int | None, skip_invalid: bool) -> Corpus:
    passages, places, rejected = {}, {}, []
    for number, row in enumerate(itertools.islice(table.open(), limit), 1):
        try:
            if row.fault is not None:
                raise DataError(row.fault)
            id = identifier(row.fields) or f"{table.stem}-{number}"
            passage = Passage(id, text(row.fields, "text"))
            if id in passages:
                raise DataError(
                    f"the id {id!r} is already that of {places[id]}. Give every "
                    "passage an id of its own, or leave out the ids."
                )
        except DataError as error:
            rejected.append(Rejected(table.name, row.place, str(error), row.fields))
            if not skip_invalid:
                raise DataError(str(rejected[-1])) from error
            continue
        passages[id], places[id] = passage, row.place
    remarks = [f"{len(rejected):,} bad rows left out"] if rejected else []
    return Corpus(table.name, list(passages.values()), remarks, rejected)


def _read_explanations(source: str | os.PathLike, **reading) -> Corpus:
    reader, without = open_questions(source, **reading), 0
    found: dict[str, Passage] = {}
    for question in reader:
        passage = question.explanation or question.context
        if passage is None:
            without += 1
            continue
        key, origin = text_key(passage), text_key(question.stem)
        first = found.get(key, Passage(question.id, passage))
        found[key] = replace(first, origins=(*first.origins, origin))
    remarks = reader.account.remarks()
    if without:
        remarks.append(f"{without:,} questions have neither an explanation nor a context")
    return Corpus(reader.name, list(found.values()), remarks, reader.account.rejected)
