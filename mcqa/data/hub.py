"""Read one split of a Hub data set as rows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mcqa.data.files import Row, Table
from mcqa.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH = 1000


def read_hub(source: str, split: str) -> Table:
    """Read a split of the data set `owner/name`, or `owner/name:configuration`.

    Raises:
        DataError: the data set cannot be reached, is unknown, or has no such split.
    """
    dataset = load_hub(source, split)
    stem = source.partition(":")[0].rpartition("/")[2]
    if not len(dataset):
        raise DataError(f"{source} ({split}): the split holds no rows.")

    def rows() -> Iterator[Row]:
        tables = dataset.with_format("arrow").iter(batch_size=_BATCH)
        fields = (row for table in tables for row in table.to_pylist())
        return (Row(f"row {number}", row) for number, row in enumerate(fields, 1))

    return Table(f"{source} ({split})", stem, rows)


def load_hub(source: str, split: str) -> "Dataset":
    """Load a split with the datasets library, which keeps a copy on disk.

    Raises:
        DataError: the data set cannot be reached, is unknown, or has no such split.
    """
    import datasets

    name, _, configuration = source.partition(":")
    try:
        return datasets.load_dataset(name, configuration or None, split=split)
    # The network, the Hub and every file reader raise errors of their own here.
    except Exception as error:
        raise DataError(
            f"{source}: no file of this name, and the split {split!r} of a Hub data set of this "
            f"name cannot be loaded ({type(error).__name__}: {error}). Check the name, the split "
            "and the connection; write a configuration as owner/name:configuration; or download "
            "the split as a .parquet or .jsonl file and give its path."
        ) from error
