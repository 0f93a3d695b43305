"""Answers so far, in a file beside the one they are for, so that a killed run can go on.

    predictions.partial.jsonl   a line that says what is being done,
                                then a line per batch: its predictions, and what it took

Of several processes, each has a file of its own, `predictions.partial.jsonl.1` and so on, and all
read them all: a run may go on with another number of processes.

A line is a whole batch: what else is in a batch shows in a score's last bits, so that only a run
that resumes batch by batch, with the same work, ends with the very numbers of an unbroken one.

The trap: a killed process or a full disk leaves half a line, or one that lacks nothing but its end.
The file is cut before the first line that is not whole.
"""

import contextlib
import glob
import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import mcqa
from mcqa.data.digests import describe_changes, digest, digest_questions
from mcqa.errors import ConfigError
from mcqa.prediction import Prediction
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.runs.trained import tensors_checksum
from mcqa.scoring.scorer import Scorer
from mcqa.system import processes
from mcqa.system.files import inside, not_written, write_whole
from mcqa.system.locks import locked
from mcqa.system.memory import PeakMemory


def partial_path(output: str | os.PathLike) -> Path:
    """Return where the answers for a predictions file are kept until it is written."""
    output = Path(output)
    return output.with_name(f"{output.stem}.partial{output.suffix}")


def _found(path: Path) -> list[Path]:
    """Return the files that are there, whichever process wrote them; ConfigError for a link."""
    others = sorted(path.parent.glob(f"{glob.escape(path.name)}.*"))
    files = [path, *(file for file in others if file.suffix[1:].isdecimal())]
    return [inside(path.parent, file.name) for file in files if file.exists()]


def forget(path: Path) -> None:
    """Remove the answers kept at a `partial_path`, whichever process wrote them."""
    for file in _found(path):
        file.unlink()


def describe_work(
    scorer: Scorer, encoded: Sequence[EncodedQuestion], batch_size: int, **more
) -> dict:
    """Return what decides a scorer's answers, by the names in which a change is reported."""
    import torch

    model, encoder, shots = scorer.model, scorer.encoder, scorer.encoder.shots
    return {
        "questions": digest_questions(e.question for e in encoded),
        "scorer": scorer.name,
        **scorer.settings,
        "template": scorer.template,
        "shots": shots and f"{shots.k}, seed {shots.seed}, of {digest_questions(shots.pool)}",
        "context": str(encoder.contexts),
        "chat": encoder.chat,
        "system": encoder.system,
        "max_length": encoder.max_length,
        "prompts as tokens": digest((e.prefix, e.continuations) for e in encoded),
        "weights": tensors_checksum(model.state_dict())[:16],
        "quantization": _quantization(model),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "batch_size": batch_size,
        "versions": f"mcqa {mcqa.__version__}, torch {torch.__version__}",
        **more,
    }


def _quantization(model) -> str:
    config, gguf = (getattr(model.config, n, None) for n in ("quantization_config", "gguf"))
    told = str(config.quant_method) if config else "none"
    if hasattr(config, "quantization_method"):  # of bitsandbytes
        told = config.quantization_method()
    return f"{told}, of a GGUF file in {gguf['weights']}" if gguf else told


class Partial:
    """Keep a run's answers batch by batch, and take over those that are kept; use it as a context.

    Args:
        path: from `partial_path`.
        work: from `describe_work`.
        scorer: what scores; how far it had to halve its batches is kept too.
        overwrite: forget what is kept.
        announce: called with a line where answers are taken over.

    Raises:
        ConfigError: the file holds answers of other work, or another command works on it.
        KeyboardInterrupt: on leaving the context by one, with a line that says what is kept.
    """

    def __init__(
        self,
        path: Path,
        work: dict,
        scorer: Scorer,
        *,
        overwrite: bool = False,
        announce: Callable[[str], None] = lambda line: None,
    ):
        own = path.name if processes.is_main() else f"{path.name}.{processes.index()}"
        self.path, self.scorer = path.with_name(own), scorer
        self._first = path
        self._again = "the same command" + (", without --overwrite," if overwrite else "")
        with contextlib.ExitStack() as held:
            held.enter_context(locked(path))
            if overwrite:
                processes.on_main(lambda: forget(path))
            self._files = [_read(file, work) for file in _found(path)]
            processes.wait()  # until all have read, before any writes
            if not self.path.exists():
                write_whole(self.path, json.dumps({"work": work}) + "\n")
            self._file, self._held = self.path.open("ab"), held.pop_all()
        self.answers = sum(len(line["predictions"]) for line in itertools.chain(*self._files))
        if self.answers:
            limits = [lines[-1]["batch_limit"] for lines in self._files if lines]
            scorer.batch_limit = min(filter(None, limits), default=None)
            announce(f"{self.answers:,} answers are taken over from {path}")
        self.memory = PeakMemory(str(scorer.model.device))

    def part(self, name: str) -> "Part":
        """Return the batches of one pass over questions, to go on with."""
        return Part(name, self, self._files)

    def append(self, line: dict) -> None:
        """Write a batch down before the next one is scored; RunError where that fails."""
        try:
            self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise not_written(self.path, error) from error
        self.answers += len(line["predictions"])

    def finish(self) -> None:
        """Forget the answers, which are written where they belong; all processes must call."""
        self._file.close()
        processes.on_main(lambda: forget(self._first))

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, kind, error, trace) -> None:
        with contextlib.suppress(OSError):  # of a line that is an error already
            self._file.close()
        if kind and not self.answers:
            self.path.unlink(missing_ok=True)
        self._held.close()
        if kind is KeyboardInterrupt:
            others = ", more of the other processes beside it" if processes.count() > 1 else ""
            raise KeyboardInterrupt(
                f"interrupted. {self.answers:,} answers are kept in {self.path}{others}; "
                f"{self._again} goes on from there."
            ) from None


class Part(dict):
    """Hold the predictions of each batch of a pass by the batch's number, and write down more."""

    def __init__(self, name: str, partial: Partial, files: Sequence[Sequence[dict]]):
        files = [[line for line in lines if line["part"] == name] for lines in files]
        batches = list(itertools.chain(*files))
        super().__init__(
            (batch["batch"], list(map(Prediction.from_row, batch["predictions"])))
            for batch in batches
        )
        before = max((sum(line["seconds"] for line in lines) for lines in files), default=0)
        self._peaks = [batch["peak_memory_bytes"] for batch in batches]
        self._name, self._partial, self._since = name, partial, time.perf_counter()
        self._started = self._since - before

    @property
    def seconds(self) -> float:
        """How long the pass has taken, in interrupted runs too, by their slowest process."""
        return time.perf_counter() - self._started

    @property
    def peak_memory_bytes(self) -> int | None:
        """The most memory in use so far, in interrupted runs too; None where it is not known."""
        return max(filter(None, [*self._peaks, self._partial.memory.bytes]), default=None)

    def __setitem__(self, number: int, predictions: list[Prediction]) -> None:
        super().__setitem__(number, predictions)
        now = time.perf_counter()
        line = {
            "part": self._name,
            "batch": number,
            "seconds": now - self._since,
            "peak_memory_bytes": self._partial.memory.bytes,
            "batch_limit": self._partial.scorer.batch_limit,
            "predictions": [prediction.to_row() for prediction in predictions],
        }
        self._partial.append(line)
        self._since = now


def _read(path: Path, work: dict) -> list[dict]:
    """Return the lines of batches of this work, after cutting off what is not whole."""
    rows, size = [], 0
    with path.open("rb") as file, contextlib.suppress(ValueError):
        for line in itertools.takewhile(lambda line: line.endswith(b"\n"), file):
            rows.append(json.loads(line))
            size += len(line)
    if not rows or "work" not in rows[0]:
        raise ConfigError(
            f"{path}: not answers that mcqa kept. Choose another --output, or pass --overwrite to "
            "replace the file."
        )
    before, *lines = rows
    changes = describe_changes(before["work"], work)
    if changes:
        answers = sum(len(line["predictions"]) for line in lines)
        raise ConfigError(
            f"{path} holds {answers:,} answers of other work:\n{changes}\n"
            "Give the settings of then to go on, choose another --output, or pass --overwrite to "
            "start anew."
        )
    os.truncate(path, size)
    return lines
