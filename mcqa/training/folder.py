"""The run folder before training: what may be written there, and what is there already."""

import shutil
from pathlib import Path

from mcqa.backbones import RUN_FILE
from mcqa.checkpoints import ADAPTER_FILE, TRAINED_FILE, VALIDATION_FILE
from mcqa.data.reader import REJECTED
from mcqa.errors import ConfigError
from mcqa.files import require_folder
from mcqa.training.progress import LOG_FILE

CHECKPOINTS = "checkpoints"
TRACKED = "tracking"


def check_run_folder(path: str, *, resume: bool, overwrite: bool) -> Path:
    """Return the run folder, after making sure that training may write there.

    Nothing in it is touched yet.

    Raises:
        ConfigError: it cannot be written, or holds a run that nobody said to replace.
    """
    folder = require_folder(path)
    if (folder / RUN_FILE).exists() and not overwrite:
        raise ConfigError(
            f"{folder} holds a finished run. Choose another --output, or pass --overwrite."
        )
    if has_checkpoint(folder) and not (resume or overwrite):
        raise ConfigError(
            f"{folder} holds an unfinished run. Pass --resume to go on with it, "
            "or --overwrite to start anew."
        )
    return folder


def has_checkpoint(folder: Path) -> bool:
    """Return whether there is something to resume."""
    return any(folder.glob(f"{CHECKPOINTS}/checkpoint-*"))


def clear_run(folder: Path) -> None:
    """Remove an earlier run, and nothing that is not a run's."""
    for name in (RUN_FILE, LOG_FILE, ADAPTER_FILE, TRAINED_FILE, VALIDATION_FILE, REJECTED):
        (folder / name).unlink(missing_ok=True)
    for name in (CHECKPOINTS, TRACKED):
        shutil.rmtree(folder / name, ignore_errors=True)
