"""The run folder while it is not finished: what may be written there, and how to go on."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from mcqa.data.digests import describe_changes
from mcqa.data.reader import REJECTED
from mcqa.errors import ConfigError, RunError
from mcqa.models.names import RUN_FILE
from mcqa.runs.questions_seen import SEEN_FILE
from mcqa.runs.trained import ADAPTER_FILE, TRAINED_FILE, VALIDATION_FILE
from mcqa.system.files import inside, require_folder, write_json
from mcqa.system.locks import locked
from mcqa.system.memory import is_out_of_memory

CHECKPOINTS = "checkpoints"
PROGRESS = "progress.json"  # written last: a checkpoint is whole where it can be read
EARLIER = "trainer_state.json"  # of checkpoints that transformers wrote for earlier versions
TRACKED = "tracking"
LOG_FILE = "training_log.jsonl"
STARTED = "started.json"


@contextlib.contextmanager
def run_folder(path: str, *, resume: bool, overwrite: bool) -> Iterator[Path]:
    """Give the run folder, held against other processes; nothing in it is touched yet.

    Raises:
        ConfigError: it cannot be written, another process trains into it, it holds a run that
            nobody said to replace or that cannot be resumed, or a part of it is a link elsewhere.
    """
    folder = require_folder(path)
    with locked(folder):
        _check(folder, resume, overwrite)
        yield folder


def _check(folder: Path, resume: bool, overwrite: bool) -> None:
    for name in (STARTED, LOG_FILE, TRACKED, CHECKPOINTS):
        inside(folder, name)
    for checkpoint in folder.glob(f"{CHECKPOINTS}/*"):
        inside(folder, f"{CHECKPOINTS}/{checkpoint.name}")
    if (folder / RUN_FILE).exists() and not overwrite:
        raise ConfigError(
            f"{folder} holds a finished run. Choose another --output, or pass --overwrite."
        )
    checkpoints = checkpoint_folders(folder)
    if checkpoints and not (resume or overwrite):
        raise ConfigError(
            f"{folder} holds an unfinished run. Pass --resume to go on with it, "
            "or --overwrite to start anew."
        )
    if resume and any((path / EARLIER).exists() for path in checkpoints):
        raise ConfigError(
            f"{folder} holds an unfinished run of an earlier version of mcqa, whose checkpoints "
            "this one cannot read. Go on with that version, or pass --overwrite instead of "
            "--resume to start anew."
        )


def checkpoint_folder(folder: Path, step: int | None) -> Path:
    """Return where the checkpoint of a step is."""
    return folder / CHECKPOINTS / f"checkpoint-{step}"


def checkpoint_folders(folder: Path) -> list[Path]:
    """Return the checkpoints of a run folder, whole or not."""
    return list(folder.glob(f"{CHECKPOINTS}/checkpoint-*"))


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint, None where there is none."""
    return max(filter(_is_whole, checkpoint_folders(folder)), key=_step, default=None)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def begin(folder: Path, work: dict, *, resume: bool) -> Path | None:
    """Write down the work, which decides the result, and return the checkpoint to go on from.

    Half a checkpoint is removed.

    Raises:
        ConfigError: the checkpoint is of other work.
    """
    checkpoint = last_checkpoint(folder) if resume else None
    started = folder / STARTED
    before = json.loads(started.read_text("utf-8")) if checkpoint and started.is_file() else work
    if changes := describe_changes(before, work):
        raise ConfigError(
            f"{folder} holds an unfinished run of other work:\n{changes}\nGive the settings of "
            "then to go on, or pass --overwrite instead of --resume to start anew."
        )
    for path in checkpoint_folders(folder):
        if not _is_whole(path):
            shutil.rmtree(path)
    write_json(started, work)
    return checkpoint


@contextlib.contextmanager
def saying_how_to_go_on(folder: Path) -> Iterator[None]:
    """Say what is kept where a run ends by Ctrl-C, or by a RunError for want of memory or disk."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted. {_what_is_kept(folder)}") from None
    except (RuntimeError, MemoryError, OSError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        if is_out_of_memory(error):
            raise RunError(
                "not enough memory to train. Set gradient_checkpointing; or start anew with half "
                "the batch_size and double the accumulation, which makes the same steps, or with "
                f"quantization nf4. {_what_is_kept(folder)}"
            ) from error
        if isinstance(error, (OSError, SafetensorError)) or "PytorchStreamWriter" in reason:
            raise RunError(f"training stopped: {reason}. {_what_is_kept(folder)}") from error
        raise


def _what_is_kept(folder: Path) -> str:
    if (folder / RUN_FILE).exists():
        return f"The finished run in {folder} is as it was."
    if checkpoint := last_checkpoint(folder):
        kept = f"Step {_step(checkpoint)} is kept in {checkpoint}"
        return f"{kept}; the same command with --resume goes on from there."
    return "No checkpoint was written yet; the same command starts anew."


def clear_run(folder: Path) -> None:
    """Remove an earlier run, and nothing that is not a run's."""
    written = (RUN_FILE, STARTED, LOG_FILE, ADAPTER_FILE, TRAINED_FILE, VALIDATION_FILE, REJECTED)
    written += (SEEN_FILE,)
    for name in written:
        (folder / name).unlink(missing_ok=True)
    for name in (CHECKPOINTS, TRACKED):
        shutil.rmtree(folder / name, ignore_errors=True)
