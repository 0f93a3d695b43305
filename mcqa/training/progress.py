"""Progress of a run: a line for the user and a line for the log file, from the same numbers."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from transformers import TrainerCallback

LOG_FILE = "training_log.jsonl"


class TrainingLog(TrainerCallback):
    """Append what the Trainer logs to a file and announce it.

    Args:
        path: JSON lines file.
        announce: called with one line a log entry.
        fresh: start the file anew instead of going on with it.
    """

    def __init__(self, path: Path, announce: Callable[[str], None], fresh: bool):
        self.path = path
        self.announce = announce
        if fresh:
            path.unlink(missing_ok=True)

    def on_train_begin(self, args, state, control, **kwargs):
        self.started, self.first_step = time.monotonic(), state.global_step

    def on_log(self, args, state, control, logs=None, **kwargs):
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **logs}) + "\n")
        shown = [f"{name} {logs[key]:.3f}" for key, name in _SHOWN.items() if key in logs]
        if not shown:
            return
        elapsed = time.monotonic() - self.started
        done = state.global_step - self.first_step
        left = elapsed / max(done, 1) * (state.max_steps - state.global_step)
        self.announce(
            f"  step {state.global_step}/{state.max_steps}  {'  '.join(shown)}  "
            f"{elapsed:.0f} s, {left:.0f} s left"
        )


_SHOWN = {"loss": "loss", "eval_loss": "validation loss"}
