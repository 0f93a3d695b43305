"""Load questions from the bundled set, a file, or the Hugging Face Hub.

Whatever the source, the result is `Question`s, and a row that cannot be one is an error that names
its place, or is rejected with its reason where the user says so. Nothing is guessed.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from mcqa.data.digests import digest
from mcqa.data.files import READERS, Row, Table, ending_of, file_sha256, read_file
from mcqa.data.hub import hub_commit, load_hub, read_hub
from mcqa.data.reader import QuestionReader, Settings
from mcqa.errors import ConfigError
from mcqa.question import Question

BUNDLED = "bundled"


def load_questions(source: str | os.PathLike, **settings) -> list[Question]:
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


def open_questions(
    source: str | os.PathLike, *, split: str | None = None, **settings
) -> QuestionReader:
    """Return an iterable over questions, read one at a time, with an account of the other rows.

    Args:
        source: `bundled` for the set that ships with the package; the path of a `.jsonl`,
            `.json`, `.csv`, `.tsv` or `.parquet` file, all but the last also with `.gz`; or a Hub
            data set, `owner/name[@revision][:configuration]`.
        split: which part of the set; by default `test` for `bundled`, required for a Hub data
            set, and not allowed for a file.
        settings: how rows are read, the fields of `mcqa.data.reader.Settings`.

    Raises:
        ConfigError: a setting is unknown, out of range, or does not apply to the source.
        DataError: the source cannot be read, or has no known format or several.
    """
    settings = Settings(**settings)
    split = _resolve_split(source, split)
    if source == BUNDLED:
        if settings.format != "auto" or settings.label_base is not None or settings.fields:
            raise ConfigError(
                "The bundled set takes no format, label_base or fields; leave them out."
            )
        table = _bundled_table(split)
    elif is_file(source):
        table = read_file(Path(source), headerless=settings.format == "mmlu")
    else:
        table = read_hub(source, split)
    return QuestionReader(table, settings)


def data_fingerprint(source: str | os.PathLike, split: str | None = None) -> str:
    """Return the sha256 of a file or of the bundled rows, 16 digits of that of a Hub set's rows."""
    split = _resolve_split(source, split)
    if source == BUNDLED:
        content = json.dumps([row.fields for row in _bundled_table(split).open()])
        return hashlib.sha256(content.encode()).hexdigest()
    if is_file(source):
        return file_sha256(Path(source))
    return digest(row.fields for row in read_hub(source, split).open())


def data_commit(source: str | os.PathLike, split: str | None = None) -> str | None:
    """Return the commit of a Hub data set, None for what is none or does not tell."""
    split = _resolve_split(source, split)
    return None if source == BUNDLED or is_file(source) else hub_commit(load_hub(source, split))


def _resolve_split(source: str | os.PathLike, split: str | None) -> str | None:
    if source == BUNDLED:
        return split or "test"
    if is_file(source):
        if split is not None:
            raise ConfigError(
                f"{source}: a file has no splits, but split is {split!r}. Leave it out, and give "
                "each split as a file of its own."
            )
    elif not split:
        raise ConfigError(
            f"{source}: no file of this name, so it is taken for a Hub data set, which needs a "
            "split, like validation. Correct the path, pass a split, or use 'bundled'."
        )
    return split


def is_file(source: str | os.PathLike) -> bool:
    """Return whether a source is meant as a path; what is not is bundled or a Hub data set."""
    text = os.fspath(source)
    return (
        isinstance(source, os.PathLike)
        or text.startswith((".", "/", "~"))
        or "\\" in text
        or text.partition("@")[0].count("/") > 1
        or ending_of(text) in READERS
        or Path(text).exists()
    )


def _bundled_table(split: str) -> Table:
    from mcqa.data.bundled import bundled_questions

    rows = []
    for number, question in enumerate(bundled_questions(split), 1):
        fields = asdict(question) | {"options": list(question.options)}
        del fields["explanation"]  # there are none, and data_fingerprint tells what there is
        rows.append(Row(f"row {number}", fields))
    return Table(f"bundled ({split})", BUNDLED, lambda: iter(rows))
