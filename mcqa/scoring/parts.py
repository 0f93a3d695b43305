"""A set that is scored in parts, each by itself: where they are, and which of them are whole.

    work.json                      what decides the answers; other work is refused
    questions/00000.json           that the data's first file was read, and into which parts
    questions/00000-00000.parquet  its first questions, as many as a block
    predictions/00000-00000.*      their predictions, and a JSON file with counts and the checksum
    rejected/                      rows that are no questions, and those that no worker survived
    tries/00000-00000.json         where a worker was in a part, see `mcqa.scoring.tries`
    manifest.json                  at the end: all parts with their checksums, and totals

A part's bits depend on nothing outside of it: its questions are consecutive ones, cut where `mcqa
score --block` cuts. It counts as done by its JSON file, written last; whoever reads it compares the
checksum, so that a part that was cut or lost is scored again.

The folder may be on S3 or GCS: file systems are pyarrow's. The trap: these have no rename, and
writing a file there is all or nothing; on a local disk it is not.
"""

import fnmatch
import hashlib
import json
import posixpath
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcqa.data.files import READERS, ending_of
from mcqa.data.reader import Rejected
from mcqa.data.stored import as_indices, from_indices, read_questions
from mcqa.errors import DataError, RunError
from mcqa.evaluation.sets import by_kind
from mcqa.prediction import Prediction
from mcqa.question import Question

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.fs import FileSystem

FOLDERS = ("questions", "predictions", "rejected", "tries")
WORK, MANIFEST = "work.json", "manifest.json"


@dataclass(frozen=True)
class Place:
    """Name a file or folder on a file system of pyarrow; it travels to workers."""

    system: "FileSystem"
    path: str

    @classmethod
    def of(cls, name: str) -> "Place":
        """Find what a path, or an address like `s3://bucket/folder`, names; DataError for none."""
        from pyarrow.fs import FileSystem, LocalFileSystem

        if "://" not in name:
            return cls(LocalFileSystem(), str(Path(name).expanduser().absolute()))
        try:
            return cls(*FileSystem.from_uri(name))
        except (ValueError, OSError) as error:
            raise DataError(f"{name}: not an address that can be read ({error}).") from error

    @property
    def local(self) -> bool:
        """Whether it is on this machine, or mounted there."""
        return self.system.type_name == "local"

    def __truediv__(self, name: str) -> "Place":
        return replace(self, path=posixpath.join(self.path, name))

    def __str__(self) -> str:
        return self.path if self.local else f"{self.system.type_name}://{self.path}"

    def read(self) -> bytes | None:
        """Return what is in the file, None where there is none."""
        try:
            with self.system.open_input_stream(self.path, compression=None) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def write(self, content: bytes | Iterable[bytes]) -> None:
        """Write the file, all or nothing, at once or piece by piece; RunError where that fails."""
        parent, name = posixpath.split(self.path)
        made = self.path
        if self.local:
            made = posixpath.join(parent, f".{name}.{secrets.token_hex(8)}.tmp")
        try:
            if parent:
                self.system.create_dir(parent)
            with self.system.open_output_stream(made, compression=None) as file:
                for piece in [content] if isinstance(content, bytes) else content:
                    file.write(piece)
            if self.local:
                self.system.move(made, self.path)
        except OSError as error:
            raise RunError(
                f"{self}: cannot be written ({error}). Make room, and give the command again; it "
                "goes on from the parts that are there."
            ) from error

    def remove(self) -> None:
        """Remove the file, where there is one."""
        if self.read_info():
            self.system.delete_file(self.path)

    def read_info(self):
        """Return pyarrow's description of what is there, None where nothing is."""
        info = self.system.get_file_info(self.path)
        return info if info.type.name != "NotFound" else None

    def read_json(self) -> Any:
        """Return the file's content; None where there is no file, or none that is whole."""
        try:
            return json.loads(self.read() or b"null")
        except ValueError:
            return None

    def write_json(self, value: Any) -> None:
        """Write a value as JSON, all or nothing."""
        self.write(json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")


def data_files(name: str | Sequence[str]) -> list[Place]:
    """Return the data files that a path, an address, a folder or a pattern names, sorted.

    Those of several names come one after the other.

    Raises:
        DataError: there are none.
    """
    from pyarrow.fs import FileSelector

    if not isinstance(name, str):
        return [file for one in name for file in data_files(one)]
    place, pattern = Place.of(name), "*"
    if not place.read_info() and set(posixpath.basename(place.path)) & set("*?["):
        parent, pattern = posixpath.split(place.path)
        place = replace(place, path=parent)
    info = place.read_info()
    if info is None:
        raise DataError(f"{name}: no such file or folder.")
    if info.is_file:
        return [place]
    found = place.system.get_file_info(FileSelector(place.path, recursive=False))
    names = sorted(each.path for each in found if each.is_file and ending_of(each.path) in READERS)
    names = [path for path in names if fnmatch.fnmatch(posixpath.basename(path), pattern)]
    if not names:
        raise DataError(f"{name}: no data file there (.jsonl, .json, .csv, .tsv, .parquet, .gz).")
    return [replace(place, path=path) for path in names]


def checksum(content: bytes) -> str:
    """Return the sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def file_checksum(place: Place) -> str:
    """Return the sha256 of a file that may be too large to hold."""
    sha256 = hashlib.sha256()
    with place.system.open_input_stream(place.path, compression=None) as file:
        while chunk := file.read(2**24):
            sha256.update(chunk)
    return sha256.hexdigest()


def to_parquet(rows: Sequence[Mapping], schema: "pyarrow.Schema") -> bytes:
    """Return rows as the bytes of a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink)
    return sink.getvalue().to_pybytes()


def from_parquet(content: bytes) -> "pyarrow.Table":
    """Return the table that `to_parquet` made bytes of."""
    import pyarrow as pa
    from pyarrow import parquet

    return parquet.read_table(pa.BufferReader(content))


def prediction_schema() -> "pyarrow.Schema":
    """Return the columns of predictions; scores are kept to the last bit.

    A column has one type, so that `label` and `choice` are lists, of one index but for `several`.
    """
    import pyarrow as pa

    real, whole, text = pa.float64(), pa.int64(), pa.string()
    passages = pa.list_(pa.struct({"id": text, "score": real}))
    types = {"id": text, "kind": text, "label": pa.list_(whole), "choice": pa.list_(whole)}
    types |= dict.fromkeys(("scores", "probabilities", "targets"), pa.list_(real))
    types |= {"expected": real, "median": whole, "unit": text, "scorer": text, "tokens": whole}
    types |= {"truncated": whole, "text": text, "parsed": text, "retrieved": passages}
    return pa.schema(types)


def prediction_row(prediction: Prediction) -> dict:
    """Return a prediction as a row of `prediction_schema`."""
    row = prediction.to_row() | {"kind": prediction.kind}
    return row | {name: as_indices(row[name]) for name in ("label", "choice")}


def prediction_of(row: Mapping) -> Prediction:
    """Return the prediction that `prediction_row` made a row of."""
    answers = {name: from_indices(row[name], row["kind"]) for name in ("label", "choice")}
    return Prediction.from_row({**row, **answers})


def write_rejected(place: Place, rejected: Iterable[Rejected]) -> None:
    """Write rows that are no questions, each with its reason; none leave no file."""
    lines = "".join(map(rejected_line, rejected))
    if lines:
        place.write(lines.encode())
    else:
        place.remove()


def rejected_line(entry: Rejected) -> str:
    """Return a row that is no question as a line of JSON."""
    return json.dumps(entry._asdict(), default=repr) + "\n"


def questions_of(folder: Place, part: Mapping) -> list[Question]:
    """Return a part's questions; DataError where they are not those that were read."""
    content = (folder / f"questions/{part['part']}.parquet").read()
    if content is None or checksum(content) != part["sha256"]:
        raise DataError(
            f"{folder}: questions of part {part['part']} are gone or changed. Give the command "
            "again, which reads them again."
        )
    return read_questions(from_parquet(content))


def write_part(folder: Place, part: Mapping, predictions: Sequence[Prediction], **more) -> dict:
    """Write a part's predictions, and last its record, which is returned."""
    content = to_parquet(list(map(prediction_row, predictions)), prediction_schema())
    record = {
        "part": part["part"],
        "n": len(predictions),
        "kinds": {kind: _counts(own) for kind, own in by_kind(predictions).items()},
        "tokens": sum(p.tokens for p in predictions),
        "questions_sha256": part["sha256"],
        "sha256": checksum(content),
        **more,
    }
    (folder / f"predictions/{part['part']}.parquet").write(content)
    (folder / f"predictions/{part['part']}.json").write_json(record)
    return record


def _counts(predictions: Sequence[Prediction]) -> dict[str, int]:
    labelled = [p for p in predictions if p.label is not None]
    right = sum(prediction.correct for prediction in labelled)
    return {"n": len(predictions), "labelled": len(labelled), "right": right}


def finished_part(folder: Place, part: Mapping) -> dict | None:
    """Return the record of a part whose predictions are there and whole, else None."""
    record = (folder / f"predictions/{part['part']}.json").read_json()
    if not record or record["questions_sha256"] != part["sha256"]:
        return None
    content = (folder / f"predictions/{part['part']}.parquet").read()
    return record if content is not None and checksum(content) == record["sha256"] else None


def read_parts(folder: Place) -> Iterator[Prediction]:
    """Yield all predictions of a finished folder, in the order of the questions.

    Raises:
        DataError: it is not finished, or a part is not what was written.
    """
    manifest = (folder / MANIFEST).read_json()
    if not manifest:
        raise DataError(
            f"{folder}: no {MANIFEST} in it. Name a folder that `mcqa score --engine ray` "
            "finished; to finish one, give its command again."
        )
    for part in manifest["parts"]:
        yield from predictions_of(folder, part)


def predictions_of(folder: Place, part: Mapping) -> list[Prediction]:
    """Return a part's predictions; DataError where they are not those that were written."""
    content = (folder / f"predictions/{part['part']}.parquet").read()
    if content is None or checksum(content) != part["sha256"]:
        raise DataError(
            f"{folder}: predictions of part {part['part']} are gone or changed. Give the "
            "command that wrote them again; it scores this part alone."
        )
    return list(map(prediction_of, from_parquet(content).to_pylist()))
