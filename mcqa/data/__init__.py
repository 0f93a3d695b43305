"""Load questions from the bundled set, a file, or the Hugging Face Hub.

Whatever the source, the result is `Question`s, and a row that cannot be one is an error that names
its place, or is rejected with its reason where the user says so. Nothing is guessed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from mcqa.data.files import Row, Table, file_sha256, is_data_file, read_file
from mcqa.data.formats import NAMES, SAME_AS
from mcqa.data.hub import hub_commit, load_hub, read_hub
from mcqa.data.mapping import check_fields
from mcqa.data.reader import POLICIES, QuestionReader
from mcqa.errors import ConfigError
from mcqa.question import Question

__all__ = ["data_fingerprint", "load_questions", "open_questions"]

BUNDLED = "bundled"


def load_questions(
    source: str | os.PathLike,
    *,
    split: str | None = None,
    limit: int | None = None,
    format: str = "auto",
    label_base: int | None = None,
    fields: Mapping[str, str] | None = None,
    unlabelled: str = "keep",
    skip_invalid: bool = False,
) -> list[Question]:
    """Load questions; `open_questions` tells more of where they come from.

    Args:
        source: `bundled` for the set that ships with the package; the path of a `.jsonl`,
            `.json`, `.csv`, `.tsv` or `.parquet` file, all but the last also with `.gz`; or a Hub
            data set, `owner/name[@revision][:configuration]`.
        split: which part of the set; by default `test` for `bundled`, required for a Hub data
            set, and not allowed for a file.
        limit: load only the first `limit` questions. The format and the label base are still
            found from all rows.
        format: a name of `mcqa.data.formats.NAMES`; `auto` tells by the rows' fields.
        label_base: 0 or 1, what number labels count from. By default MedMCQA's is found from
            its labels, and a generic file's is 0.
        fields: where to find a format's fields that have another name, `{"stem": "prompt"}`.
        unlabelled: what to do with a row without exactly one right answer: `keep` it as a
            question without a label, `skip` it, or `error`.
        skip_invalid: leave out rows that cannot be read.

    Returns:
        The questions in the source's order, with ids that are unique.

    Raises:
        ConfigError: a setting is unknown, out of range, or does not apply to the source.
        DataError: the source cannot be read, a row is malformed (the message names it), or no
            question is left.

    >>> questions = load_questions("bundled", limit=2)
    >>> len(questions)
    2
    """
    return open_questions(
        source,
        split=split,
        limit=limit,
        format=format,
        label_base=label_base,
        fields=fields,
        unlabelled=unlabelled,
        skip_invalid=skip_invalid,
    ).read_all()


def open_questions(
    source: str | os.PathLike,
    *,
    split: str | None = None,
    limit: int | None = None,
    format: str = "auto",
    label_base: int | None = None,
    fields: Mapping[str, str] | None = None,
    unlabelled: str = "keep",
    skip_invalid: bool = False,
) -> QuestionReader:
    """Return an iterable over questions, which are read one at a time.

    Args:
        source, split, limit, format, label_base, fields, unlabelled: as for `load_questions`.
        skip_invalid: leave out rows that cannot be read, and keep account of them.

    Raises:
        ConfigError: a setting is unknown, out of range, or does not apply to the source.
        DataError: the source cannot be read, or has no known format or several.
    """
    _check_settings(limit, format, label_base, unlabelled)
    split = _resolve_split(source, split)
    if source == BUNDLED:
        if format != "auto" or label_base is not None or fields:
            raise ConfigError(
                "The bundled set takes no format, label_base or fields; leave them out."
            )
        table = _bundled_table(split)
    elif is_file(source):
        table = read_file(Path(source), headerless=format == "mmlu")
    else:
        table = read_hub(source, split)
    return QuestionReader(
        table,
        limit=limit,
        format=SAME_AS.get(format, format),
        label_base=label_base,
        fields=check_fields(fields or {}),
        unlabelled=unlabelled,
        skip_invalid=skip_invalid,
    )


def data_fingerprint(source: str | os.PathLike, split: str | None = None) -> str:
    """Return a text that changes with the data: a sha256, or a Hub data set's fingerprint.

    Args:
        source, split: as for `load_questions`.

    Raises:
        ConfigError: the split does not apply to the source.
        DataError: the source cannot be read.
    """
    split = _resolve_split(source, split)
    if source == BUNDLED:
        content = json.dumps([row.fields for row in _bundled_table(split).open()])
        return hashlib.sha256(content.encode()).hexdigest()
    if is_file(source):
        return file_sha256(Path(source))
    return load_hub(source, split)._fingerprint


def data_commit(source: str | os.PathLike, split: str | None = None) -> str | None:
    """Return the commit of a Hub data set, None for what is none or does not tell.

    Args:
        source, split: as for `load_questions`.
    """
    split = _resolve_split(source, split)
    return None if source == BUNDLED or is_file(source) else hub_commit(load_hub(source, split))


def _check_settings(
    limit: int | None, format: str, label_base: int | None, unlabelled: str
) -> None:
    faults = []
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        faults.append(f"limit is {limit!r}; it must be an integer of at least 1, or None.")
    if format not in NAMES:
        faults.append(f"format is {format!r}; it must be {', '.join(NAMES)}.")
    if label_base not in (None, 0, 1):
        faults.append(f"label_base is {label_base!r}; it must be 0, 1 or None.")
    if unlabelled not in POLICIES:
        faults.append(f"unlabelled is {unlabelled!r}; it must be {', '.join(POLICIES)}.")
    if faults:
        raise ConfigError(" ".join(faults))


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
        or is_data_file(text)
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
