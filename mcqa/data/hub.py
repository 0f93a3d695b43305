"""Read one split of a Hub data set, `owner/name[@revision][:configuration]`, as rows."""

import re
from typing import TYPE_CHECKING

from mcqa.data.files import BATCH, Table, arrow_rows
from mcqa.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

_FILE = re.compile(r"hf://datasets/[^@]+@([0-9a-f]{40})/")  # as datasets names what it loads


def read_hub(source: str, split: str) -> Table:
    """Return the rows of a split; a `DataError` where it cannot be loaded or has none."""
    dataset = load_hub(source, split)
    if not len(dataset):
        raise DataError(f"{source} ({split}): the split holds no rows.")

    stem = source.partition(":")[0].partition("@")[0].rpartition("/")[2]
    table = dataset.with_format("arrow")
    return Table(f"{source} ({split})", stem, lambda: arrow_rows(table.iter(batch_size=BATCH)))


def load_hub(source: str, split: str) -> "Dataset":
    """Load a split, of which the library keeps a copy on disk; a `DataError` where it cannot be."""
    import datasets

    name, _, configuration = source.partition(":")
    name, _, revision = name.partition("@")
    more = {"revision": revision} if revision else {}
    try:
        return datasets.load_dataset(name, configuration or None, split=split, **more)
    # The network, the Hub and every file reader raise errors of their own here.
    except Exception as error:
        raise DataError(
            f"{source}: no file of this name, and the split {split!r} of a Hub data set of this "
            f"name cannot be loaded ({type(error).__name__}: {error}). Check the name, the split "
            "and the connection; write a configuration as owner/name:configuration, a revision as "
            "owner/name@revision; or download the split as a .parquet or .jsonl file and give its "
            "path."
        ) from error


def hub_commit(dataset: "Dataset") -> str | None:
    """Return the commit that a data set's files are of, None where the library does not tell."""
    found = map(_FILE.match, dataset.info.download_checksums or ())
    return next((match[1] for match in found if match), None)
