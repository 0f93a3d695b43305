"""Uploads: in a folder that nobody else may read, and gone when they have been looked at."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mcqa.errors import DataError, McqaError
from mcqa.evaluation.numbers import format_bytes

LARGEST = 100_000_000  # bytes; the server holds an upload in memory beside the file
ACCEPTED = 1000  # megabytes that the browser sends at all, so that our own words are read


def check_size(name: str, size: int) -> None:
    """Raise a DataError for an upload that is too large."""
    if size > LARGEST:
        raise DataError(
            f"{name}: an upload of {format_bytes(size)}, and the page takes {format_bytes(LARGEST)}"
            " at most. Give the path of the file instead: it is read where it lies."
        )


def keep(name: str, content: bytes) -> Path:
    """Write an upload into a private folder of its own, and return its path; see `remove`."""
    check_size(name, len(content))
    folder = Path(tempfile.mkdtemp(prefix="mcqa-upload-"))  # with rights for its owner alone
    path = folder / (Path(name.replace("\\", "/")).name or "upload")
    path.write_bytes(content)
    return path


def remove(path: Path) -> None:
    """Remove an upload with its folder; one that is gone already is no fault."""
    shutil.rmtree(path.parent, ignore_errors=True)


@contextlib.contextmanager
def kept(name: str, content: bytes) -> Iterator[Path]:
    """Give the path of an upload, which is removed at the end.

    An error names the upload as its owner does, not the folder where it lay for a moment.
    """
    path = keep(name, content)
    try:
        yield path
    except McqaError as error:
        raise type(error)(without_folder(str(error), path)) from error
    finally:
        remove(path)


def without_folder(told: str, path: Path) -> str:
    """Return a message in which an upload has its name alone."""
    return told.replace(f"{path.parent}/", "")
