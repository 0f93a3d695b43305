"""Questions on disk instead of in memory: written once as Arrow, mapped, and read as needed.

A set of any size takes a few megabytes. The file is temporary (`TMPDIR` says where) and goes with
the object.

The trap: every look makes a new `Question`, equal to the last one and not the same object. Walk
through a set by iterating, which reads in chunks; an index reads one question.
"""

import itertools
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mcqa.data.files import file_sha256
from mcqa.question import Question
from mcqa.system.files import not_written

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset

CHUNK = 1000


class StoredQuestions(Sequence[Question]):
    """Hold questions on disk, as a sequence.

    Args:
        questions: read and dropped in chunks.

    Attributes:
        dataset: the fields of `Question` as columns.

    Raises:
        RunError: there is no room for them.

    >>> stored = StoredQuestions([Question(stem="2 + 2 = ?", options=("3", "4"), label=1)])
    >>> len(stored), stored[0].answer
    (1, '4')
    """

    def __init__(self, questions: Iterable[Question]):
        self.dataset = store_rows(map(vars, questions), _schema())
        self._table = self.dataset.with_format("arrow")

    @property
    def sha256(self) -> str:
        """What changes with the questions and with all they hold."""
        return file_sha256(Path(self.dataset.cache_files[0]["filename"]))

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return read_questions(self._table[index])
        return self.read([range(len(self))[index]])[0]

    def read(self, indices: Sequence[int]) -> list[Question]:
        """Return the questions at these places, all at once: one by one takes as long for each."""
        return read_questions(self._table[indices])

    def __iter__(self) -> Iterator[Question]:
        for start in range(0, len(self), CHUNK):
            yield from self[start : start + CHUNK]


def read_questions(table: "pyarrow.Table") -> list[Question]:
    """Return the questions that are a table's rows."""
    return [Question(**row) for row in table.to_pylist()]


def store_rows(rows: Iterable[Mapping], schema: "pyarrow.Schema | None" = None) -> "Dataset":
    """Write rows in chunks, and return them mapped from a temporary file.

    Args:
        rows: may be as many as the disk can hold.
        schema: their fields; by default those of the first chunk.

    Raises:
        RunError: there is no room for them.
    """
    import datasets
    import pyarrow as pa

    folder = temporary_folder()
    path, rows, writer = Path(folder.name) / "rows.arrow", iter(rows), None
    try:
        with pa.OSFile(str(path), "wb") as file:
            while (chunk := list(itertools.islice(rows, CHUNK))) or writer is None:
                batch = pa.RecordBatch.from_pylist(chunk, schema=schema)
                schema = batch.schema
                writer = writer or pa.ipc.new_stream(file, schema)
                writer.write_batch(batch)
            writer.close()
    except OSError as error:
        raise not_written(path, error) from error
    dataset = datasets.Dataset.from_file(str(path))
    weakref.finalize(dataset, folder.cleanup)
    return dataset


def temporary_folder() -> tempfile.TemporaryDirectory:
    """Return a folder for files that nobody needs later."""
    return tempfile.TemporaryDirectory(prefix="mcqa-", ignore_cleanup_errors=True)


def _schema() -> "pyarrow.Schema":
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        {
            "id": text,
            "stem": text,
            "options": pa.list_(text),
            "label": pa.int32(),
            "context": text,
            "subject": text,
            "explanation": text,
        }
    )
