"""Load questions from the bundled set, a file, or the Hugging Face Hub.

Whatever the source, the result is `Question`s, and a row that cannot be one is an error that names
its place, or is rejected with its reason where the user says so. Nothing is guessed.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from mcqa.data.digests import digest, question_row
from mcqa.data.files import Row, Table, file_sha256, read_file
from mcqa.data.hub import hub_commit, load_hub, read_hub
from mcqa.data.joined import JoinedReader
from mcqa.data.reader import QuestionReader, Reader, Settings
from mcqa.data.sources import (
    BUNDLED,
    BUNDLED_BY_KIND,
    Source,
    Sources,
    is_bundled,
    is_file,
    resolve_split,
    single_sources,
    source_name,
)
from mcqa.errors import ConfigError
from mcqa.question import Question

__all__ = [
    "BUNDLED",
    "BUNDLED_BY_KIND",
    "data_commit",
    "data_fingerprint",
    "is_bundled",
    "is_file",
    "load_questions",
    "open_questions",
    "source_name",
]


def load_questions(source: Sources, **settings) -> list[Question]:
    """Return the questions of a source, in its order; for the settings see `open_questions`.

    Raises:
        ConfigError: a setting is unknown, out of range, or does not apply to the source.
        DataError: the source cannot be read, a row is malformed (the message names it), or no
            question is left.

    >>> questions = load_questions("bundled", limit=2)
    >>> len(questions)
    2
    """
    return open_questions(source, **settings).read_all()


def open_questions(source: Sources, *, split: str | None = None, **settings) -> Reader:
    """Return an iterable over questions, read one at a time, with an account of the other rows.

    Args:
        source: `bundled` for the set that ships with the package, `bundled-several` or
            `bundled-scale` for those of other kinds; the path of a `.jsonl`, `.json`, `.csv`,
            `.tsv` or `.parquet` file, all but the last also with `.gz`; a folder of such files, or
            a pattern like `test/*.csv`; a Hub data set, `owner/name[@revision][:configuration]`; or
            a list of these, read one after the other.
        split: which part of the set; by default `test` for bundled ones, required for a Hub data
            set, and not allowed for files alone.
        settings: how rows are read, the fields of `mcqa.data.reader.Settings`.

    Raises:
        ConfigError: a setting is unknown, out of range, or does not apply to the source.
        DataError: the source cannot be read, or has no known format or several.
    """
    settings, sources = Settings(**settings), single_sources(source)
    readers = [_open(one, split, settings, sources) for one in sources]
    if len(readers) == 1:
        return readers[0]
    return JoinedReader(source_name(source), readers, settings.limit)


def _open(source: Source, split: str | None, settings: Settings, beside: list) -> QuestionReader:
    split = resolve_split(source, split, beside)
    if is_bundled(source):
        if len(beside) > 1:  # beside others it is read as it is
            settings = replace(settings, format="auto", label_base=None, fields=None)
        if settings.format != "auto" or settings.label_base is not None or settings.fields:
            raise ConfigError(
                "The bundled set takes no format, label_base or fields; leave them out."
            )
        table = _bundled_table(source, split)
    elif is_file(source):
        table = read_file(Path(source), headerless=settings.format == "mmlu")
    else:
        table = read_hub(source, split)
    return QuestionReader(table, settings)


def data_fingerprint(source: Sources, split: str | None = None) -> str:
    """Return the sha256 of a file or of bundled rows, 16 digits of that of a Hub set's rows.

    That of several sources is the sha256 of theirs.
    """
    sources = single_sources(source)
    found = [_fingerprint(one, resolve_split(one, split, sources)) for one in sources]
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


def _fingerprint(source: Source, split: str | None) -> str:
    if is_bundled(source):
        content = json.dumps([row.fields for row in _bundled_table(source, split).open()])
        return hashlib.sha256(content.encode()).hexdigest()
    if is_file(source):
        return file_sha256(Path(source))
    return digest(row.fields for row in read_hub(source, split).open())


def data_commit(source: Sources, split: str | None = None) -> str | None:
    """Return the commit of a Hub data set, of several each; None for what has or tells none."""
    sources = single_sources(source)
    hubs = [one for one in sources if not is_bundled(one) and not is_file(one)]
    found = [hub_commit(load_hub(one, resolve_split(one, split, sources))) for one in hubs]
    return ", ".join(filter(None, found)) or None


def _bundled_table(source: str, split: str) -> Table:
    from mcqa.data.bundled import bundled_questions

    rows = []
    kind = next(kind for kind, bundled in BUNDLED_BY_KIND.items() if bundled == source)
    for number, question in enumerate(bundled_questions(split, kind), 1):
        fields = question_row(question)
        del fields["explanation"]  # there are none, and data_fingerprint tells what there is
        lists = {name: list(value) for name, value in fields.items() if isinstance(value, tuple)}
        rows.append(Row(f"row {number}", fields | lists))
    return Table(f"{source} ({split})", source, lambda: iter(rows))
