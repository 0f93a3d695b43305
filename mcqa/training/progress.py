"""Progress of a run: a line for the user and a line for the log file, from the same numbers."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from mcqa import distributed
from mcqa.files import write_whole

LOG_FILE = "training_log.jsonl"
SHOWN = {"loss": "loss", "eval_loss": "validation loss", "eval_accuracy": "accuracy"}


class Listener:
    """Hear of what the training loop does; here nothing comes of it."""

    def on_begin(self, step: int, steps: int) -> None:
        """Hear that training begins.

        Args:
            step: steps taken before, of a run that is resumed.
            steps: of the whole run.
        """

    def on_pass(self, loss, questions: int) -> None:
        """Hear of a forward and backward pass.

        Args:
            loss: a tensor; this process's part of the step's loss.
            questions: of this process's batch.
        """

    def on_step(self, step: int) -> None:
        """Hear that the weights moved; so many steps are taken."""

    def on_evaluate(self, step: int, questions: int) -> None:
        """Hear that so many validation questions are evaluated next."""

    def on_log(self, step: int, values: dict) -> None:
        """Hear what is known after so many steps, by name."""

    def on_save(self, step: int) -> None:
        """Hear that a checkpoint of so many steps is whole."""


class TrainingLog(Listener):
    """Append what the loop logs to a file and announce it; the main process does.

    A resumed run goes on with the file from the step of its checkpoint.

    Args:
        path: JSON lines file, one entry a line with its `step` and the run's `seconds` so far.
        announce: called with one line an entry.
    """

    def __init__(self, path: Path, announce: Callable[[str], None]):
        self.path = path
        self.announce = announce

    @property
    def seconds(self) -> float:
        """How long the run has trained, interruptions left out."""
        return self._before + time.monotonic() - self._started

    def on_begin(self, step: int, steps: int) -> None:
        """Keep the lines up to a checkpoint's step."""
        kept = []
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]  # the last may be half
            entries = map(json.loads, lines)
            kept = [entry for entry in entries if entry["step"] <= step]
        if distributed.is_main():
            write_whole(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))
        self._first_step, self._steps = step, steps
        self._before = kept[-1]["seconds"] if kept else 0.0
        self._started = time.monotonic()

    def on_log(self, step: int, values: dict) -> None:
        """Write a line, and announce what users look at."""
        if not distributed.is_main():
            return
        entry = {"step": step, "seconds": self.seconds, **values}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        shown = [f"{name} {values[key]:.3f}" for key, name in SHOWN.items() if key in values]
        if not shown:
            return
        elapsed = time.monotonic() - self._started
        done = step - self._first_step
        left = elapsed / max(done, 1) * (self._steps - step)
        self.announce(
            f"  step {step}/{self._steps}  {'  '.join(shown)}  "
            f"{self.seconds:.0f} s, {left:.0f} s left"
        )
