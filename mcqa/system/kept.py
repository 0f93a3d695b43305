"""The encoded sets that are kept for the next time: for the user alone, and not without bound.

    $MCQA_CACHE/encoded/KEY/   the tokens of one set

Another process may be reading a set that is removed; it has the files open, and they stay readable.
A set that is still being written has a hidden name, and is left alone for a day.
"""

import contextlib
import shutil
import time
from pathlib import Path

from mcqa.errors import RunError
from mcqa.system.files import cache_folder

LIMIT = 10 * 10**9  # bytes
UNFINISHED = 24 * 3600  # seconds that a hidden folder may be at work


def kept_folder() -> Path:
    """Return where encoded sets are kept."""
    return cache_folder() / "encoded"


def private_folder() -> Path:
    """Return it, made for the user alone, for tokens say what questions say; else RunError."""
    folder = kept_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise RunError(
            f"{folder}: encoded questions are kept there, for you alone, and that cannot be had "
            f"({error.strerror or error}). Set MCQA_CACHE to a folder of your own."
        ) from error
    return folder


def make_room(latest: Path) -> None:
    """Remove the sets used longest ago until all take no more than `LIMIT`; `latest` stays."""
    used = {}
    for folder in latest.parent.iterdir():
        with contextlib.suppress(OSError):  # another process removed it
            at = folder.stat().st_mtime
            unfinished = folder.name.startswith(".") and time.time() - at < UNFINISHED
            if folder != latest and not unfinished:
                used[folder] = at
    taken = folder_bytes(latest)
    for folder in sorted(used, key=used.get, reverse=True):
        taken += folder_bytes(folder)
        if taken > LIMIT:
            shutil.rmtree(folder, ignore_errors=True)


def folder_bytes(folder: Path) -> int:
    """Return how many bytes the files in a folder have; 0 where there is none."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size if path.is_file() else 0
    return total
