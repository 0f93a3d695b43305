"""Read data files as rows that remember where they stand.

CSV is read by the standard library and not by pandas: pandas would turn an option that reads
"NA", "None" or "null" into a missing value. JSON lines are split at "\\n" only: `str.splitlines`
would also cut a row at a line separator (U+2028) inside one of its texts.
"""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from mcqa.data.labels import missing, shown
from mcqa.errors import DataError


class Row(NamedTuple):
    """Hold one row's fields and its place for messages, `line 7` or `row 7`."""

    place: str
    fields: dict[str, Any]


class Table(NamedTuple):
    """Hold the rows of one source, its name for messages and its stem for generated ids."""

    name: str
    stem: str
    rows: list[Row]


def read_file(path: Path) -> Table:
    """Read a file whose ending is one of `READERS`.

    Raises:
        DataError: the file is missing, empty, a folder, of another kind, or malformed.
    """
    _check_exists(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: files ending in {path.suffix!r} are not read, only {', '.join(READERS)}. "
            "Convert or rename the file."
        )
    try:
        rows = reader(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    if not rows:
        raise DataError(f"{path}: the file holds no rows.")
    return Table(str(path), path.stem, rows)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes.

    Raises:
        DataError: the file is missing, a folder, or cannot be read.
    """
    _check_exists(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error


def _check_exists(path: Path) -> None:
    endings = ", ".join(READERS)
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file ({endings}).")
    if not path.exists():
        raise DataError(f"{path}: no such file. Files ending in {endings} are read.")


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: not UTF-8 ({error.reason}). Save the file as UTF-8."
        ) from error


def _read_jsonl(path: Path) -> list[Row]:
    return [
        _row(path, f"line {number}", _parse(line, path, number))
        for number, line in enumerate(_read_text(path).split("\n"), 1)
        if line.strip()
    ]


def _read_json(path: Path) -> list[Row]:
    text = _read_text(path)
    content = _parse(text, path) if text.strip() else []
    if isinstance(content, dict):
        rows = [
            _row(path, f"row {number} ({shown(key)})", fields)
            for number, (key, fields) in enumerate(content.items(), 1)
        ]
        for row, key in zip(rows, content, strict=True):
            if missing(row.fields.get("id")):
                row.fields["id"] = key
        return rows
    if not isinstance(content, list):
        raise DataError(
            f"{path}: expected a list of rows or an object keyed by id, got {shown(content)}."
        )
    return [_row(path, f"row {number}", fields) for number, fields in enumerate(content, 1)]


def _row(path: Path, place: str, fields: Any) -> Row:
    if not isinstance(fields, dict):
        raise DataError(
            f"{path}, {place}: a row must be an object with named fields, got {shown(fields)}."
        )
    return Row(place, fields)


def _parse(text: str, path: Path, line: int | None = None) -> Any:
    """Parse JSON; `line` is where the text stands, or None where it is the whole file."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {line or error.lineno}: not JSON ({error.msg}, column {error.colno}). "
            "A .json file holds one list or object; a file of one object per line is a .jsonl."
        ) from error
    except (ValueError, RecursionError) as error:
        place = f"{path}, line {line}" if line else str(path)
        raise DataError(f"{place}: JSON that cannot be read ({error}).") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; Python's JSON reader would keep the last of two equal keys and say nothing.

    In an object keyed by id that would lose a question.
    """
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} stands twice in one object")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _read_csv(path: Path) -> list[Row]:
    # strict: an unclosed quote would otherwise swallow the rest of the file as one cell.
    lines = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    columns: list[str] = []
    rows = []
    start = 1  # a quoted cell may span lines, so a row starts where the one before ended
    try:
        for cells in lines:
            place, start = f"line {start}", lines.line_num + 1
            if not cells:
                continue
            if not columns:
                columns = _columns(path, place, cells)
                continue
            if len(cells) != len(columns):
                raise DataError(
                    f"{path}, {place}: {len(cells)} cells for {len(columns)} columns. "
                    'A cell that holds a comma must stand in quotes: "a, b".'
                )
            rows.append(Row(place, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise DataError(f"{path}, line {start}: not CSV ({error}).") from error
    return rows


def _columns(path: Path, place: str, cells: list[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    for column in columns:
        if columns.count(column) > 1:
            raise DataError(f"{path}, {place}: the column {column!r} stands twice in the header.")
    return columns


def _read_parquet(path: Path) -> list[Row]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            rows = file.read().to_pylist()
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file that can be read ({error}).") from error
    return [Row(f"row {number}", fields) for number, fields in enumerate(rows, 1)]


READERS = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
