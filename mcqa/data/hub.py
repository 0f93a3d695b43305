"""Read one split of a Hub data set as rows."""

from typing import TYPE_CHECKING

from mcqa.data.files import Row, Table
from mcqa.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset


def read_hub(source: str, split: str) -> Table:
    """Read a split of the data set `owner/name`, or `owner/name:configuration`.

    Raises:
        DataError: the data set cannot be reached, is unknown, or has no such split.
    """
    dataset = load_hub(source, split)
    stem = source.partition(":")[0].rpartition("/")[2]
    rows = [Row(f"row {number}", fields) for number, fields in enumerate(dataset.to_list(), 1)]
    if not rows:
        raise DataError(f"{source} ({split}): the split holds no rows.")
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
