"""Hold a file or folder for one command, of however many processes: a second one is refused.

The operating system keeps the lock: a lock file that a killed process left is no obstacle.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mcqa.errors import ConfigError
from mcqa.system.processes import on_main


@contextlib.contextmanager
def locked(path: str | os.PathLike) -> Iterator[None]:
    """Hold a folder, or a file that need not be there yet; ConfigError where another command does.

    Warns, and holds nothing, where the file system has no locks. The main process holds it.
    """
    path = Path(path)
    lock = FileLock(path / ".lock" if path.is_dir() else path.with_name(f".{path.name}.lock"))

    def acquire() -> None:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise ConfigError(
                f"{path} is in use by another process, which must end first. Wait for it, or "
                "choose another --output."
            ) from None
        except OSError as error:
            warnings.warn(
                f"{path}: cannot be locked ({error.strerror or error}); see to it that no second "
                "process writes there.",
                stacklevel=3,
            )

    on_main(acquire)
    try:
        yield
    finally:
        if lock.is_locked:
            # Before it is let go of: the file may be another process's afterwards.
            with contextlib.suppress(OSError):  # Windows removes no open file
                Path(lock.lock_file).unlink()
            lock.release()
