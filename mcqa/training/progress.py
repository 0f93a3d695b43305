"""Progress of a run: lines for the user and the log file from the same numbers, and a live bar."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mcqa.system import processes
from mcqa.system.files import write_whole

# Called with a total and a label; its context yields what is called with how many more are done,
# and optionally a short note.
ShowProgress = Callable[[int, str], AbstractContextManager[Callable[..., None]]]

SHOWN = {"loss": "loss", "eval_loss": "validation loss", "eval_accuracy": "accuracy"}


class Listener:
    """Hear of what the training loop does, after so many steps; here nothing comes of it."""

    def on_begin(self, step: int, steps: int) -> None:
        """Hear that training begins, or goes on, towards so many steps."""

    def on_pass(self, loss, questions: int) -> None:
        """Hear of a forward and backward pass of this process, with its part of a step's loss."""

    def on_step(self, step: int) -> None:
        """Hear that the weights moved."""

    def on_evaluate(self, step: int) -> None:
        """Hear that the validation questions are evaluated next."""

    def on_log(self, step: int, values: dict) -> None:
        """Hear what is known, by name."""

    def on_save(self, step: int) -> None:
        """Hear that a checkpoint is whole."""


@dataclass
class TrainingLog(Listener):
    """Append what the loop logs to a file of JSON lines and announce it; the main process does.

    An entry has the run's `seconds` so far. A resumed run goes on from its checkpoint's step.
    """

    path: Path
    announce: Callable[[str], None]

    @property
    def seconds(self) -> float:
        """How long the run has trained, interruptions left out."""
        return self._before + time.monotonic() - self._started

    def on_begin(self, step: int, steps: int) -> None:
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        entries = map(json.loads, text.split("\n")[:-1])  # the last line may be half
        kept = [entry for entry in entries if entry["step"] <= step]
        if processes.is_main():
            write_whole(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))
        self._first_step, self._steps = step, steps
        self._before = kept[-1]["seconds"] if kept else 0.0
        self._started = time.monotonic()

    def on_log(self, step: int, values: dict) -> None:
        if not processes.is_main():
            return
        entry = {"step": step, "seconds": self.seconds, **values}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        shown = [f"{name} {values[key]:.3f}" for key, name in SHOWN.items() if key in values]
        if not shown:
            return
        pace = (time.monotonic() - self._started) / max(step - self._first_step, 1)
        times = f"{self.seconds:.0f} s, {pace * (self._steps - step):.0f} s left"
        self.announce(f"  step {step}/{self._steps}  {'  '.join(shown)}  {times}")


@contextlib.contextmanager
def no_progress(total: int, label: str) -> Iterator[Callable[..., None]]:
    """Show nothing."""
    yield lambda count, note="": None


@dataclass
class TrainingBar(Listener):
    """Show live how many questions were trained on, and the loss of the last step.

    A question counts each time it is trained on; those of all processes count.
    """

    questions: int  # of an epoch
    batch: int  # questions of a forward pass, over all processes
    accumulation: int  # forward passes of a step; the last step of an epoch may have fewer
    progress: ShowProgress
    closing: contextlib.ExitStack  # which ends what shows it

    def on_begin(self, step: int, steps: int) -> None:
        total = self._trained_on(steps)
        self._advance = self.closing.enter_context(self.progress(total, "training"))
        self._done, self._note = 0, ""
        self._begin_step(step)

    def on_pass(self, loss, questions: int) -> None:
        self._passes += 1
        self._losses += loss.item()
        self._show()

    def on_step(self, step: int) -> None:
        self._note = f"loss {self._losses:.3f}"
        self._begin_step(step)

    def on_evaluate(self, step: int) -> None:
        self._show(", validating")

    def on_log(self, step: int, values: dict) -> None:
        self._show()  # and no more that it is validating

    def _begin_step(self, step: int) -> None:
        self._step, self._passes, self._losses = step, 0, 0.0
        self._show()

    def _show(self, more: str = "") -> None:
        done = self._trained_on(self._step, self._passes)
        self._advance(done - self._done, self._note + more)
        self._done = done

    def _trained_on(self, steps: int, passes: int = 0) -> int:
        """Return how many questions so many steps take, and forward passes of the next one."""
        of_epoch = math.ceil(self.questions / self.batch)
        epochs, rest = divmod(steps, math.ceil(of_epoch / self.accumulation))
        passes += rest * self.accumulation
        return epochs * self.questions + min(passes * self.batch, self.questions)
