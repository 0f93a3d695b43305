"""Progress of a run: lines for the user and the log file from the same numbers, and a live bar."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from transformers import TrainerCallback

from mcqa import distributed
from mcqa.files import write_whole

# Called with a total and a label; its context yields what is called with how many more are done,
# and optionally a short note.
Progress = Callable[[int, str], AbstractContextManager[Callable[..., None]]]

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


@contextlib.contextmanager
def no_progress(total: int, label: str) -> Iterator[Callable[..., None]]:
    """Show nothing."""
    yield lambda count, note="": None


class TrainingBar(TrainerCallback):
    """Show live how many questions were trained on, and the loss of the last step.

    A question counts each time it is trained on; those of all processes count.

    Args:
        questions: how many an epoch has.
        progress: shows it, from the first step to the end of `closing`.
        closing: closed by the caller, whatever ends the training.
    """

    def __init__(self, questions: int, progress: Progress, closing: contextlib.ExitStack):
        self.questions = questions
        self.progress = progress
        self.closing = closing
        self._passes, self._losses = 0, 0.0  # of the step that is being taken

    def on_train_begin(self, args, state, control, **kwargs):
        total = self._trained_on(args, state.max_steps)
        self._advance = self.closing.enter_context(self.progress(total, "training"))
        self._done, self._note = 0, ""
        self._show(args, state)

    def add_loss(self, loss: float) -> None:
        """Take a forward pass's part of a step's loss."""
        self._losses += loss

    def on_substep_end(self, args, state, control, **kwargs):
        self._passes += 1
        self._show(args, state)

    def on_step_end(self, args, state, control, **kwargs):
        self._note = f"loss {self._losses:.3f}"
        self._passes, self._losses = 0, 0.0
        self._show(args, state, ", validating" if control.should_evaluate else "")

    def on_evaluate(self, args, state, control, **kwargs):
        self._show(args, state)

    def _show(self, args, state, more: str = "") -> None:
        done = self._trained_on(args, state.global_step, self._passes)
        self._advance(done - self._done, self._note + more)
        self._done = done

    def _trained_on(self, args, steps: int, passes: int = 0) -> int:
        """Return how many questions so many steps take, and forward passes of the next one."""
        size = args.train_batch_size * args.world_size
        of_epoch = math.ceil(self.questions / size)
        epochs, rest = divmod(steps, math.ceil(of_epoch / args.gradient_accumulation_steps))
        passes += rest * args.gradient_accumulation_steps
        return epochs * self.questions + min(passes * size, self.questions)
