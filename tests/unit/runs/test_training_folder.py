"""An unfinished run folder: which checkpoint is whole, what must be the same, what is said."""

import errno
import json

import pytest
import torch

from mcqa.errors import ConfigError, RunError
from mcqa.runs.training_folder import begin, last_checkpoint, saying_how_to_go_on
from mcqa.training.progress import TrainingLog

WORK = {"template": "cloze", "seed": 0}


@pytest.fixture
def folder(tmp_path):
    """A run folder with whole checkpoints of steps 9 and 10, and half of one of step 11."""
    for step, state in ((9, "{}"), (10, "{}"), (11, '{"step": 1')):
        checkpoint = tmp_path / "checkpoints" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "progress.json").write_text(state)
    (tmp_path / "checkpoints" / "checkpoint-12").mkdir()
    return tmp_path


def test_the_newest_whole_checkpoint_counts_and_halves_are_removed(folder):
    assert last_checkpoint(folder).name == "checkpoint-10"
    assert begin(folder, WORK, resume=True) == last_checkpoint(folder)
    left = {path.name for path in (folder / "checkpoints").iterdir()}
    assert left == {"checkpoint-9", "checkpoint-10"}


def test_without_a_checkpoint_training_begins(tmp_path):
    assert last_checkpoint(tmp_path) is None
    assert begin(tmp_path, WORK, resume=True) is None
    assert begin(tmp_path, WORK | {"seed": 1}, resume=True) is None  # nothing was kept of seed 0


def test_other_work_is_not_gone_on_with(folder):
    begin(folder, WORK, resume=False)
    with pytest.raises(ConfigError, match="seed: 0 then, 1 now") as told:
        begin(folder, WORK | {"seed": 1}, resume=True)
    assert "template" not in str(told.value)
    assert begin(folder, WORK, resume=True) is not None


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, "interrupted. Step 10 is kept in"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), RunError, "half the batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9"), RunError, "accumulation"),
        (MemoryError(), RunError, "gradient_checkpointing"),
        (OSError(errno.ENOSPC, "No space left on device"), RunError, "No space left on device"),
        (RuntimeError("[x] . PytorchStreamWriter failed writing file"), RunError, "Step 10"),
        (RuntimeError("size mismatch"), RuntimeError, "^size mismatch$"),
        (ConfigError("no such template"), ConfigError, "^no such template$"),
    ],
)
def test_what_ends_a_run_says_how_to_go_on(folder, error, kind, message):
    with pytest.raises(kind, match=message) as told, saying_how_to_go_on(folder):
        raise error
    if told.value is not error:
        assert "the same command with --resume goes on" in str(told.value)
        assert "\n" not in str(told.value)


def test_without_a_checkpoint_the_command_starts_anew(tmp_path):
    with (
        pytest.raises(KeyboardInterrupt, match="No checkpoint was written yet; the same command"),
        saying_how_to_go_on(tmp_path),
    ):
        raise KeyboardInterrupt


def test_half_a_line_of_the_log_is_left_out(tmp_path):
    log = TrainingLog(tmp_path / "log.jsonl", announce=print)
    whole = [{"step": step, "seconds": step / 2} for step in (1, 2, 3)]
    log.path.write_text("".join(json.dumps(entry) + "\n" for entry in whole) + '{"step": 4, "se')
    log.on_begin(2, 3)
    assert [json.loads(line) for line in log.path.read_text().splitlines()] == whole[:2]
