"""Experiment trackers beside the run's own log: which are installed, and where they write.

The Trainer's callbacks do the logging. Keys and projects are the trackers' own matter, read by them
from the environment and never by us.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from transformers.integrations import (
    is_tensorboard_available,
    is_trackio_available,
    is_wandb_available,
)

from mcqa.errors import ConfigError

AVAILABLE = {
    "tensorboard": is_tensorboard_available,
    "wandb": is_wandb_available,
    "trackio": is_trackio_available,
}
FOLDER_VARIABLES = {"tensorboard": "TENSORBOARD_LOGGING_DIR", "wandb": "WANDB_DIR"}


def check_trackers(names: Sequence[str]) -> None:
    """Make sure that trackers are installed; their pip packages have their names.

    Raises:
        ConfigError: some are not.
    """
    missing = [name for name in names if not AVAILABLE[name]()]
    if missing:
        raise ConfigError(
            f"report_to: {', '.join(missing)} not installed. Run `pip install "
            f"{' '.join(missing)}`, or leave it out."
        )


@contextlib.contextmanager
def tracking_into(folder: Path, names: Sequence[str]):
    """Have trackers write below `folder`, where the user's environment does not say otherwise.

    trackio keeps all runs in one place of its own, where its dashboard looks for them.
    """
    wanted = {FOLDER_VARIABLES[name] for name in names if name in FOLDER_VARIABLES}
    ours = [variable for variable in wanted if variable not in os.environ]
    if ours:
        folder.mkdir(exist_ok=True)
    os.environ.update(dict.fromkeys(ours, str(folder)))
    try:
        yield
    finally:
        for variable in ours:
            os.environ.pop(variable, None)
