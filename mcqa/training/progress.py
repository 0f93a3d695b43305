"""Progress of a run: a line for the user and a line for the log file, from the same numbers."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from transformers import TrainerCallback

from mcqa import distributed
from mcqa.files import write_whole

LOG_FILE = "training_log.jsonl"
SHOWN = {"loss": "loss", "eval_loss": "validation loss", "eval_accuracy": "accuracy"}


class TrainingLog(TrainerCallback):
    """Append what the Trainer logs to a file and announce it; the main process does.

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

    def on_train_begin(self, args, state, control, **kwargs):
        kept = []
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]  # the last may be half
            entries = map(json.loads, lines)
            kept = [entry for entry in entries if entry["step"] <= state.global_step]
        if distributed.is_main():
            write_whole(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))
        self._first_step = state.global_step
        self._before = kept[-1]["seconds"] if kept else 0.0
        self._started = time.monotonic()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not distributed.is_main():
            return
        entry = {"step": state.global_step, "seconds": self.seconds, **logs}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        shown = [f"{name} {logs[key]:.3f}" for key, name in SHOWN.items() if key in logs]
        if not shown:
            return
        elapsed = time.monotonic() - self._started
        done = state.global_step - self._first_step
        left = elapsed / max(done, 1) * (state.max_steps - state.global_step)
        self.announce(
            f"  step {state.global_step}/{state.max_steps}  {'  '.join(shown)}  "
            f"{self.seconds:.0f} s, {left:.0f} s left"
        )
