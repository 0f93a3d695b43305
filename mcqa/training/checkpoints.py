"""Checkpoints of a run: the weights that train, optimizer, random states, and where it stands.

accelerate writes and reads them; of a whole model it gets what trains, and what recipes grew beside
that. The trap: a killed process leaves half a checkpoint. `PROGRESS` is written last, once all
processes have written their parts, so a checkpoint is whole where that can be read.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn

from mcqa.models.recipes.low_rank import importance_tensors, set_importance_tensors
from mcqa.models.recipes.restarts import grown_tensors, set_grown_tensors
from mcqa.models.recipes.weights import load_tensors, trained_tensors
from mcqa.runs.trained import TRAINED_FILE, save_tensors
from mcqa.runs.training_folder import PROGRESS, checkpoint_folder, checkpoint_folders
from mcqa.system import processes
from mcqa.system.files import write_json


@dataclass
class Progress:
    """Say where a run stands."""

    step: int = 0  # steps taken
    epoch: float = 0.0  # passes over the training questions
    tokens: int = 0  # seen by all processes, padding included
    logged_step: int = 0  # the last step whose loss was logged
    loss_sum: float = 0.0  # of all steps up to that one
    best_step: int | None = None  # where validation went best
    best_value: float | None = None  # what it came to there

    def log_loss(self, loss: float) -> None:
        """Take the mean loss of the steps since the last time."""
        self.loss_sum += loss * (self.step - self.logged_step)
        self.logged_step = self.step

    @property
    def train_loss(self) -> float | None:
        """The mean over all logged steps, of resumed runs too; None without any."""
        return self.loss_sum / self.logged_step if self.logged_step else None


class Checkpoints:
    """Keep the last checkpoint of a run and the best; `model` is what trains, not wrapped."""

    def __init__(self, folder: Path, accelerator: Accelerator, model: nn.Module):
        self.folder, self.accelerator, self.model = folder, accelerator, model
        # Of DeepSpeed: what does not train is neither written nor expected.
        self._saving, self._loading = {}, {}
        if processes.sharding() == "DeepSpeed":
            self._saving = {"exclude_frozen_parameters": True}
            self._loading = {"load_module_strict": False}
        elif processes.sharding() is None:
            accelerator.register_save_state_pre_hook(self._write_trained)
            accelerator.register_load_state_pre_hook(self._read_trained)

    def save(self, progress: Progress) -> None:
        """Write a checkpoint, and remove those that are neither the last nor the best."""
        path = checkpoint_folder(self.folder, progress.step)
        self.accelerator.save_state(str(path), **self._saving)
        processes.wait()
        if processes.is_main():
            write_progress(path, progress)
            self._keep_only(progress.step, progress.best_step)

    def load(self, path: Path) -> Progress:
        """Make everything what it was when a checkpoint was written, random states included."""
        self.accelerator.load_state(str(path), **self._loading)
        return Progress(**json.loads((path / PROGRESS).read_text(encoding="utf-8")))

    def load_best(self, progress: Progress) -> None:
        """Give the model the weights of the best step, and keep no other checkpoint."""
        if progress.best_step is None:
            return
        path = checkpoint_folder(self.folder, progress.best_step)
        if processes.sharding():
            self.accelerator.load_state(str(path), **self._loading)
        else:
            self._read_trained([], str(path))
        if processes.is_main():
            self._keep_only(progress.best_step)

    def _keep_only(self, *steps: int | None) -> None:
        kept = {checkpoint_folder(self.folder, step) for step in steps}
        for path in set(checkpoint_folders(self.folder)) - kept:
            shutil.rmtree(path)

    def _write_trained(self, models: list, weights: list[dict], folder: str) -> None:
        weights.clear()  # all there is; the main process writes what trains
        if processes.is_main():
            tensors = trained_tensors(self.model)
            tensors |= grown_tensors(self.model) | importance_tensors(self.model)
            save_tensors(tensors, Path(folder) / TRAINED_FILE)

    def _read_trained(self, models: list, folder: str) -> None:
        models.clear()
        # Copied once: a file that is still mapped cannot be removed from every file system.
        tensors = {n: t.clone() for n, t in load_file(Path(folder) / TRAINED_FILE).items()}
        tensors = set_importance_tensors(self.model, set_grown_tensors(self.model, tensors))
        load_tensors(self.model, tensors)


def write_progress(path: Path, progress: Progress) -> None:
    """Write the file that makes a checkpoint whole."""
    write_json(path / PROGRESS, asdict(progress))
