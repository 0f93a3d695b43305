"""Questions on disk instead of in memory: written once as Arrow, mapped, and read as needed.

The file is temporary (`TMPDIR` says where) and goes with the object. The trap: every look makes a
new `Question`. Walk through a set by iterating, which reads in chunks; an index reads one question.
"""

import itertools
import tempfile
import weakref
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mcqa.data.files import file_sha256
from mcqa.kinds import KINDS, Label
from mcqa.question import Question
from mcqa.system.files import not_written

if TYPE_CHECKING:
    import pyarrow

CHUNK = 1000
_Item = TypeVar("_Item")


class OnDisk(Sequence[_Item]):
    """Read items from disk, many at once: one by one takes as long for each."""

    @abstractmethod
    def read(self, places: Sequence[int] | slice) -> list[_Item]:
        """Return the items at these places."""

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.read(index)
        return self.read([range(len(self))[index]])[0]

    def __iter__(self) -> Iterator[_Item]:
        for start in range(0, len(self), CHUNK):
            yield from self[start : start + CHUNK]


class StoredQuestions(OnDisk[Question]):
    """Hold questions on disk, as a sequence; a `RunError` where there is no room for them.

    >>> stored = StoredQuestions([Question(stem="2 + 2 = ?", options=("3", "4"), label=1)])
    >>> len(stored), stored[0].answer
    (1, '4')
    """

    def __init__(self, questions: Iterable[Question]):
        import datasets
        import pyarrow as pa

        lists = {"options": pa.string(), "names": pa.string(), "label": pa.int32()}
        types = {name: pa.list_(kind) for name, kind in (lists | {"targets": pa.float64()}).items()}
        names = (each.name for each in fields(Question))
        schema = pa.schema(dict.fromkeys(names, pa.string()) | types)
        folder = temporary_folder()
        path = write_rows(Path(folder.name) / "questions.arrow", map(_as_row, questions), schema)
        self.dataset = datasets.Dataset.from_file(str(path))
        weakref.finalize(self.dataset, folder.cleanup)
        self._table = self.dataset.with_format("arrow")

    @property
    def sha256(self) -> str:
        """What changes with the questions and with all they hold."""
        return file_sha256(Path(self.dataset.cache_files[0]["filename"]))

    @property
    def kinds(self) -> set[str]:
        """The kinds of the questions."""
        return set(self.dataset.data.column("kind").unique().to_pylist())

    @property
    def soft(self) -> bool:
        """Whether any question has soft labels."""
        return self.dataset.data.column("targets").null_count < len(self)

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, places: Sequence[int] | slice) -> list[Question]:
        """Return the questions at these places."""
        return read_questions(self._table[places])


def read_questions(table: "pyarrow.Table") -> list[Question]:
    """Return the questions that are a table's rows."""
    return [Question(**row | {"label": _label(row)}) for row in table.to_pylist()]


def _as_row(question: Question) -> dict:
    """Return a question's fields; a label is a list, for all rows of a file have one type."""
    label = question.label
    return vars(question) | {"label": [label] if isinstance(label, int) else label}


def _label(row: dict) -> Label:
    label = row["label"]
    return label if label is None or KINDS[row["kind"]].several else label[0]


def write_rows(path: Path, rows: Iterable[Mapping], schema: "pyarrow.Schema") -> Path:
    """Write rows into an Arrow file and return its path; a `RunError` where there is no room."""
    import pyarrow as pa

    rows = iter(rows)
    try:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            while chunk := list(itertools.islice(rows, CHUNK)):
                writer.write_batch(pa.RecordBatch.from_pylist(chunk, schema=schema))
    except OSError as error:
        raise not_written(path, error) from error
    return path


def temporary_folder() -> tempfile.TemporaryDirectory:
    """Return a folder for files that nobody needs later."""
    return tempfile.TemporaryDirectory(prefix="mcqa-", ignore_cleanup_errors=True)
