"""Experiment trackers beside the run's own log: which are installed, and where they write.

accelerate's trackers log, and read keys and places from the environment. What it does not say of
folders and projects is said here.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, TensorBoardTracker, TrackioTracker, WandBTracker
from transformers import integrations

from mcqa.errors import ConfigError

AVAILABLE = {
    "tensorboard": integrations.is_tensorboard_available,
    "wandb": integrations.is_wandb_available,
    "trackio": integrations.is_trackio_available,
}
PROJECT = "huggingface"  # as transformers names it


def check_trackers(names: Sequence[str]) -> None:
    """Raise ConfigError where trackers are not installed; pip knows them by their names."""
    missing = [name for name in names if not AVAILABLE[name]()]
    if missing:
        raise ConfigError(
            f"report_to: {', '.join(missing)} not installed. Run `pip install "
            f"{' '.join(missing)}`, or leave it out."
        )


def make_trackers(names: Sequence[str], folder: Path, run_name: str) -> list[GeneralTracker]:
    """Return trackers, not started yet, that write below `folder`, made where one of them does.

    The user's environment may name another. trackio has a place of its own for all runs.
    """
    project = {name: os.environ.get(f"{name.upper()}_PROJECT", PROJECT) for name in names}

    def place(variable: str) -> str:
        if variable not in os.environ:
            folder.mkdir(exist_ok=True)
        return os.environ.get(variable, str(folder))

    make = {
        "tensorboard": lambda: TensorBoardTracker("", place("TENSORBOARD_LOGGING_DIR")),
        "wandb": lambda: WandBTracker(project["wandb"], name=run_name, dir=place("WANDB_DIR")),
        "trackio": lambda: TrackioTracker(project["trackio"], name=run_name, resume="allow"),
    }
    return [make[name]() for name in names]


@contextlib.contextmanager
def tracking(accelerator: Accelerator, settings: dict) -> Iterator[None]:
    """Start an accelerator's trackers, give them the run's settings, and close them at last."""
    accelerator.init_trackers("")
    for tracker in accelerator.trackers:
        if tracker.name == "tensorboard":  # as text
            tracker.log({"settings": json.dumps(settings)})
        else:
            tracker.store_init_configuration(settings)
    try:
        yield
    finally:
        for tracker in accelerator.trackers:  # `end_training` would end the process group too
            tracker.finish()


def grouped(values: Mapping) -> dict:
    """Return values under the names that trackers make groups of, `eval/loss` and `train/loss`."""
    return {
        f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}": value
        for name, value in values.items()
    }
