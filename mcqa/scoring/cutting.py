"""Read a file and cut it into parts of consecutive questions, in memory that does not grow with it.

What is held is a block. Rows that are no questions go to a file as they come, and ids are compared
by `mcqa.scoring.ids`. Two ids are rarely equal: a file is read once, and again where they may be.
The traps: a `.json` file is one value and is held, and so is a row group of a Parquet file.
"""

import itertools
import posixpath
import shutil
import tempfile
from pathlib import Path

from mcqa.data import open_questions
from mcqa.data.joined import placed
from mcqa.data.reader import QuestionReader
from mcqa.data.stored import question_schema, row_of
from mcqa.errors import McqaError
from mcqa.scoring.ids import Noted, Suspects
from mcqa.scoring.parts import Place, checksum, file_checksum, rejected_line, to_parquet

_PIECE = 2**22  # bytes


def read_file(
    folder: Place,
    number: int,
    file: Place,
    block: int,
    reading: dict,
    subject: str | None = None,
    prefix: str | None = None,
) -> dict:
    """Cut a data file into parts of `block` questions, unless that is done; return its record.

    Args:
        folder: of all parts.
        number: the file's, from 0.
        file: of `mcqa.data.files.READERS`.
        block: questions a part.
        reading: arguments of `mcqa.data.open_questions`.
        subject: of the questions that have none.
        prefix: what to put before each id, with a colon; None for nothing, where it was not read
            with one before.

    Raises:
        DataError: as `mcqa.data.open_questions`, by the same policy for bad rows.
    """
    record_place, sha256 = folder / f"questions/{number:05}.json", file_checksum(file)
    kept = record_place.read_json()
    same = kept and kept["sha256"] == sha256 and prefix in (None, kept["prefix"])
    same = same and kept["subject"] == subject
    same = same and ids_file(folder, number).read_info()
    if same and all(_whole(folder, part) for part in kept["parts"]):
        return kept
    with tempfile.TemporaryDirectory(prefix="mcqa-") as made:
        here = Path(made)
        path = Path(file.path) if file.local else here / posixpath.basename(file.path)
        if not file.local:
            _download(file, path)
        try:
            reader = open_questions(path, **reading)
            cut = _Cut(folder, number, file, here, block, subject, prefix)
            noted = Noted(_folder(here / "ids"))
            parts, rejected = cut.write(reader, noted)
            noted.close()
            if twice := noted.twice():
                parts, rejected = cut.write(reader, Suspects(twice))
        except McqaError as error:
            raise type(error)(str(error).replace(str(path), str(file))) from error
        ids_file(folder, number).write(noted.chunks())
        _upload(cut.rejected, folder / f"rejected/{number:05}.jsonl")
    record = {"file": str(file), "sha256": sha256, "subject": subject, "prefix": prefix}
    record |= {"parts": parts, "rejected": rejected, "skipped": reader.account.counts()["skipped"]}
    record_place.write_json(record)
    return record


def ids_file(folder: Place, number: int) -> Place:
    """Return where the hashes of a file's ids are, see `mcqa.scoring.ids`."""
    return folder / f"questions/{number:05}.ids"


class _Cut:
    """Write the parts of one file."""

    def __init__(self, folder, number, file, here: Path, block: int, *where: str | None):
        self.folder, self.number, self.file = folder, number, file
        self.rejected, self.block, self.where = here / "rejected", block, where

    def write(self, reader: QuestionReader, places: dict) -> tuple[list[dict], int]:
        """Return the parts, and how many rows were no questions."""
        reader.keep_ids_in(lambda: places)
        parts, rejected = [], 0
        with self.rejected.open("w", encoding="utf-8") as lines:
            questions = (placed(question, *self.where) for question in reader)
            while True:
                rows = list(map(row_of, itertools.islice(questions, self.block)))
                rejected += len(reader.account.rejected)
                for entry in reader.account.rejected:
                    lines.write(rejected_line(entry._replace(source=str(self.file))))
                reader.account.rejected.clear()
                if not rows:
                    return parts, rejected
                content = to_parquet(rows, question_schema())
                name = f"{self.number:05}-{len(parts):05}"
                (self.folder / f"questions/{name}.parquet").write(content)
                kinds = sorted({row["kind"] for row in rows})
                part = {"part": name, "n": len(rows), "sha256": checksum(content)}
                parts.append({**part, "kinds": kinds})


def _whole(folder: Place, part: dict) -> bool:
    content = (folder / f"questions/{part['part']}.parquet").read()
    return content is not None and checksum(content) == part["sha256"]


def _download(file: Place, path: Path) -> None:
    stream = file.system.open_input_stream(file.path, compression=None)
    with stream as source, path.open("wb") as copy:
        shutil.copyfileobj(source, copy)


def _upload(path: Path, place: Place) -> None:
    """Write a file's content to a place; nothing leaves no file."""
    if not path.stat().st_size:
        place.remove()
        return
    with path.open("rb") as file:
        place.write(iter(lambda: file.read(_PIECE), b""))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
