"""Load questions from the bundled set, a file, or the Hugging Face Hub.

Whatever the source, the result is a list of `Question`, and a row that cannot be one is an error
that names its place. Nothing is skipped or guessed.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from mcqa.data.files import READERS, file_sha256, read_file
from mcqa.data.formats import FORMATS, detect_format, to_questions
from mcqa.data.hub import load_hub, read_hub
from mcqa.errors import ConfigError
from mcqa.question import Question

__all__ = ["data_fingerprint", "load_questions"]

_BUNDLED = "bundled"


def load_questions(
    source: str | os.PathLike,
    *,
    split: str | None = None,
    limit: int | None = None,
    format: str = "auto",
    label_base: int | None = None,
) -> list[Question]:
    """Load questions.

    Args:
        source: `bundled` for the set that ships with the package; the path of a `.jsonl`,
            `.json`, `.csv` or `.parquet` file; or a Hub data set, `owner/name` or
            `owner/name:configuration`.
        split: which part of the set; by default `test` for `bundled`, required for a Hub data
            set, and not allowed for a file.
        limit: load only the first `limit` questions. The format and the label base are still
            found from all rows.
        format: `medmcqa`, `arc` (also CommonsenseQA and OpenBookQA), `generic`, or `auto` to
            tell by the rows' fields.
        label_base: 0 or 1, what number labels count from. By default MedMCQA's is found from
            its labels, and a generic file's is 0.

    Returns:
        The questions in the source's order, with ids that are unique.

    Raises:
        ConfigError: a setting is unknown, out of range, or does not apply to the source.
        DataError: the source cannot be read, or a row is malformed; the message names the row.

    >>> questions = load_questions("bundled", limit=2)
    >>> len(questions)
    2
    """
    _check_settings(limit, format, label_base)
    split = _resolve_split(source, split)
    if source == _BUNDLED:
        if format != "auto" or label_base is not None:
            raise ConfigError("The bundled set takes no format and no label_base; leave them out.")
        return _bundled(split)[:limit]
    table = read_file(Path(source)) if _is_file(source) else read_hub(source, split)
    name = detect_format(table) if format == "auto" else format
    return to_questions(table, name, label_base=label_base, limit=limit)


def data_fingerprint(source: str | os.PathLike, split: str | None = None) -> str:
    """Return a text that changes with the data: a sha256, or a Hub data set's fingerprint.

    Args:
        source, split: as for `load_questions`.

    Raises:
        ConfigError: the split does not apply to the source.
        DataError: the source cannot be read.
    """
    split = _resolve_split(source, split)
    if source == _BUNDLED:
        content = json.dumps([asdict(question) for question in _bundled(split)])
        return hashlib.sha256(content.encode()).hexdigest()
    if _is_file(source):
        return file_sha256(Path(source))
    return load_hub(source, split)._fingerprint


def _check_settings(limit: int | None, format: str, label_base: int | None) -> None:
    faults = []
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        faults.append(f"limit is {limit!r}; it must be an integer of at least 1, or None.")
    if format != "auto" and format not in FORMATS:
        faults.append(f"format is {format!r}; it must be auto, {', '.join(FORMATS)}.")
    if label_base not in (None, 0, 1):
        faults.append(f"label_base is {label_base!r}; it must be 0, 1 or None.")
    if faults:
        raise ConfigError(" ".join(faults))


def _resolve_split(source: str | os.PathLike, split: str | None) -> str | None:
    if source == _BUNDLED:
        return split or "test"
    if _is_file(source):
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


def _is_file(source: str | os.PathLike) -> bool:
    """Return whether a source is meant as a path; what is not may be a Hub data set."""
    text = os.fspath(source)
    return (
        isinstance(source, os.PathLike)
        or text.startswith((".", "/", "~"))
        or "\\" in text
        or text.count("/") > 1
        or Path(text).suffix.lower() in READERS
        or Path(text).exists()
    )


def _bundled(split: str) -> list[Question]:
    from mcqa.data.bundled import bundled_questions

    return list(bundled_questions(split))
