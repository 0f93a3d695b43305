"""Read data files as rows that remember where they stand, one at a time, opened anew for each pass.

CSV is read by the standard library: pandas would turn an option that reads "NA" or "null" into a
missing value. JSON lines are split at "\\n" only: `str.splitlines` would also cut a row at a line
separator (U+2028) inside one of its texts.
"""

import csv
import functools
import gzip
import hashlib
import itertools
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from mcqa.data.fields import missing, shown
from mcqa.errors import DataError

BATCH = 1000  # rows of Arrow that are read at once
_LONGEST = 2**28  # bytes that are held at once; a small .gz can hold what fills the memory
_MMLU = ("question", "A", "B", "C", "D", "answer")


class Row(NamedTuple):
    """Hold one row; where it is none, `fields` is what stands there."""

    place: str  # for messages, `line 7` or `row 7`
    fields: Any
    fault: str | None = None  # why it is none


class Table(NamedTuple):
    """Hold one source."""

    name: str  # for messages
    stem: str  # for generated ids
    open: Callable[[], Iterator[Row]]  # start a pass; a `DataError` where it can go no further


def read_file(path: Path, headerless: bool = False, paragraphs: bool = False) -> Table:
    """Return the rows of a file whose ending is one of `READERS`, or one of these and `.gz`.

    Args:
        headerless: whether a CSV file's first line is a question, as in MMLU's release, though it
            does not look like one.
        paragraphs: whether to read a `.txt` file too, a row with the field `text` a paragraph.

    Raises:
        DataError: the file cannot be read; what is wrong inside shows while its rows are read.
    """
    readers = READERS | ({".txt": _read_txt} if paragraphs else {})
    _check_exists(path, readers)
    kind = ending_of(path)
    if kind not in readers:
        ending = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
        raise DataError(
            f"{path}: files ending in {ending!r} are not read, only {_told(readers)}. Convert or "
            "rename the file; unpack an archive first."
        )
    packed = path.suffix.lower() == ".gz"
    settings = {"headerless": headerless} if kind in (".csv", ".tsv") else {}

    def rows() -> Iterator[Row]:
        count = 0
        try:
            with gzip.open(path) if packed else path.open("rb") as file:
                for count, row in enumerate(readers[kind](path, file, **settings), 1):  # noqa: B007
                    yield row
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: cannot be read ({error}).") from error
        if not count:
            raise DataError(f"{path}: the file holds no rows.")

    return Table(str(path), Path(path.stem).stem if packed else path.stem, rows)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes; a `DataError` where they cannot be read."""
    _check_exists(path, READERS)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error


def _check_exists(path: Path, readers: Iterable[str]) -> None:
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file ({_told(readers)}).")
    if not path.exists():
        raise DataError(f"{path}: no such file. Files ending in {_told(readers)} are read.")


def _told(readers: Iterable[str]) -> str:
    return ", ".join(readers) + " (text also as .gz)"


def ending_of(path: str | os.PathLike) -> str:
    """Return a file's ending in lower case, without the `.gz` behind one that may be packed."""
    before, last = ("", "", *map(str.lower, Path(path).suffixes))[-2:]
    return before if last == ".gz" and before not in ("", ".parquet") else last


def _lines(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Yield a text file's lines as bytes, without its byte order mark."""
    for number, line in enumerate(iter(lambda: file.readline(_LONGEST), b"")):
        if len(line) == _LONGEST:
            raise DataError(
                f"{path}, line {number + 1}: longer than {_LONGEST:,} bytes, which is no question. "
                "Put every row on a line of its own."
            )
        if number == 0:
            if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise DataError(f"{path}, line 1: not UTF-8 but UTF-16. Save the file as UTF-8.")
            line = line.removeprefix(b"\xef\xbb\xbf")
        yield line


def _decoded(line: bytes, where: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}not UTF-8 ({error.reason}). Save the file as UTF-8.") from error


def _texts(path: Path, lines: Iterable[bytes]) -> Iterator[str]:
    return (_decoded(line, f"{path}, line {number}: ") for number, line in enumerate(lines, 1))


def _read_jsonl(path: Path, file: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(_lines(path, file), 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            yield _row(place, _parse(_decoded(line.rstrip(b"\r\n"), "")))
        except DataError as error:
            yield Row(place, line.decode(errors="replace").strip(), str(error))


def _read_json(path: Path, file: BinaryIO) -> Iterator[Row]:
    lines, size = [], 0
    for line in _lines(path, file):
        lines.append(line)
        size += len(line)
        if size > _LONGEST and path.suffix.lower() == ".gz":
            raise DataError(
                f"{path}: unpacked it is longer than {_LONGEST:,} bytes, and a .json file is read "
                "as a whole. Save it as .jsonl.gz, a row on each line, or unpack it yourself."
            )
    text = "".join(_texts(path, lines))
    content = _parse(text, path) if text.strip() else []
    if isinstance(content, dict):
        for number, (key, fields) in enumerate(content.items(), 1):
            if isinstance(fields, dict) and missing(fields.get("id")):
                fields["id"] = key
            yield _row(f"row {number} ({shown(key)})", fields)
    elif isinstance(content, list):
        yield from (_row(f"row {number}", fields) for number, fields in enumerate(content, 1))
    else:
        raise DataError(
            f"{path}: expected a list of rows or an object keyed by id, got {shown(content)}."
        )


def _row(place: str, fields: Any) -> Row:
    if isinstance(fields, dict):
        return Row(place, fields)
    return Row(place, fields, f"a row must be an object with named fields, got {shown(fields)}.")


def _parse(text: str, whole: Path | None = None) -> Any:
    """Parse JSON; `whole` is the file's path where the text is all of it."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"{whole}, line {error.lineno}: " if whole else ""
        raise DataError(
            f"{where}not JSON ({error.msg}, column {error.colno}). "
            "A .json file holds one list or object; a file of one object per line is a .jsonl."
        ) from error
    except (ValueError, RecursionError) as error:
        where = f"{whole}: " if whole else ""
        raise DataError(f"{where}JSON that cannot be read ({error}).") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of different keys: Python's JSON reader would keep the last of equal ones."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {shown(twice)} stands twice in one object")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _read_csv(
    path: Path, file: BinaryIO, *, headerless: bool, delimiter: str = ","
) -> Iterator[Row]:
    # bytes.splitlines cuts at "\r" too, which ends the lines of old spreadsheets, and at no other
    cut = (part for line in _lines(path, file) for part in line.splitlines(keepends=True))
    # strict: an unclosed quote would otherwise swallow the rest of the file as one cell.
    lines = csv.reader(_texts(path, cut), strict=True, delimiter=delimiter)
    columns: list[str] = []
    start = 1  # a quoted cell may span lines, so a row starts where the one before ended
    try:
        for cells in lines:
            place, start = f"line {start}", lines.line_num + 1
            if not cells:
                continue
            if not columns:
                headerless = _is_question(cells, headerless)
                columns = list(_MMLU) if headerless else _columns(path, place, cells)
                if not headerless:
                    continue
            if len(cells) == len(columns):
                row = dict(zip(columns, cells, strict=True))
                yield Row(place, _as_on_the_hub(path, **row) if headerless else row)
                continue
            yield Row(
                place,
                cells,
                f"{len(cells)} cells for {len(columns)} columns. "
                'A cell that holds a comma must stand in quotes: "a, b".',
            )
    except csv.Error as error:
        raise DataError(f"{path}, line {start}: not CSV ({error}).") from error


def _is_question(cells: list[str], expected: bool) -> bool:
    """Tell the first line of a headerless MMLU file from a header."""
    if {cell.strip().lower() for cell in cells} & {"question", "stem"}:
        return False
    return len(cells) == 6 and (expected or cells[-1].strip() in tuple("ABCD"))


def _as_on_the_hub(path: Path, question: str, answer: str, **options: str) -> dict[str, Any]:
    """Return a headerless row with the fields of MMLU's Hub copy; the file is named by subject."""
    subject, choices = subject_of(path.name), list(options.values())
    return {"question": question, "subject": subject, "choices": choices, "answer": answer}


def subject_of(name: str) -> str:
    """Return the subject that a file is named by.

    >>> subject_of("abstract_algebra_test.csv")
    'abstract_algebra'
    """
    subject = name.partition(".")[0]
    for split in ("_test", "_dev", "_val", "_train"):
        subject = subject.removesuffix(split)
    return subject


def _columns(path: Path, place: str, cells: list[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise DataError(f"{path}, {place}: the column {twice!r} stands twice in the header.")
    return columns


def _read_txt(path: Path, file: BinaryIO) -> Iterator[Row]:
    numbered = enumerate(_texts(path, _lines(path, file)), 1)
    for blank, lines in itertools.groupby(numbered, key=lambda line: not line[1].strip()):
        if not blank:
            numbers, texts = zip(*lines, strict=True)
            yield Row(f"line {numbers[0]}", {"text": "".join(texts)})


def arrow_rows(batches: Iterable) -> Iterator[Row]:
    """Yield the rows of Arrow tables."""
    rows = (row for batch in batches for row in batch.to_pylist())
    return (Row(f"row {number}", fields) for number, fields in enumerate(rows, 1))


def _read_parquet(path: Path, file: BinaryIO) -> Iterator[Row]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file) as table:
            yield from arrow_rows(table.iter_batches(batch_size=BATCH))
    except (pyarrow.ArrowException, ValueError) as error:
        raise DataError(f"{path}: not a Parquet file that can be read ({error}).") from error


READERS = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": functools.partial(_read_csv, delimiter="\t"),
    ".parquet": _read_parquet,
}
