"""`--report-to`: what the Trainer logs goes to trackers, too.

No tracker is installed with the tests. The Trainer's TensorBoard callback falls back to the package
tensorboardX, for which a small writer stands in; W&B's and trackio's need their services.
"""

import json
import sys

import pytest

from mcqa.training import run, trackers
from mcqa.training.config import TrainingConfig

WRITER = """
import json
from pathlib import Path

class SummaryWriter:
    def __init__(self, log_dir):
        self.path = Path(log_dir) / "written.jsonl"

    def add_scalar(self, name, value, step):
        with self.path.open("a") as file:
            file.write(json.dumps([name, value, step]) + "\\n")

    def add_text(self, name, value, step=None):
        pass

    def flush(self):
        pass

    close = flush
"""


@pytest.fixture
def tensorboard(tmp_path, monkeypatch):
    package = tmp_path / "packages"
    package.mkdir()
    (package / "tensorboardX.py").write_text(WRITER)
    monkeypatch.syspath_prepend(package)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    yield
    sys.modules.pop("tensorboardX", None)


def test_tensorboard_gets_what_the_runs_own_log_gets(command, training, tensorboard, tmp_path):
    folder = tmp_path / "run"
    flags = [*training, "--output", folder, "--report-to", "tensorboard"]
    for _ in range(2):  # --overwrite starts its log anew
        result = command("train", "multiple-choice", *flags, "--overwrite")
        assert result.code == 0, result.err
        log = [json.loads(line) for line in (folder / "training_log.jsonl").open()]
        written = [json.loads(line) for line in (folder / "tracking" / "written.jsonl").open()]
        losses = [[value, step] for name, value, step in written if name == "train/loss"]
        assert losses == [[entry["loss"], entry["step"]] for entry in log if "loss" in entry]
        assert len(losses) == 6
    record = json.loads((folder / "run.json").read_text())
    assert record["recipe"]["report_to"] == ["tensorboard"]


def test_a_missing_tracker_is_refused_before_anything_is_read(refused, tmp_path, monkeypatch):
    monkeypatch.setitem(trackers.AVAILABLE, "wandb", lambda: False)
    flags = ["--data", tmp_path / "missing.jsonl", "--output", tmp_path / "run"]
    assert "`pip install wandb`" in refused("train", "generative", *flags, "--report-to", "wandb")
    assert not (tmp_path / "run").exists()


def test_every_tracker_gets_the_output_folders_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainingConfig(report_to=("wandb", "trackio"), device="cpu")
    arguments = run._arguments(config, run.Path("runs/head"), "cpu", evaluates=False)
    assert (arguments.report_to, arguments.run_name) == (["wandb", "trackio"], "head")
    plain = run._arguments(TrainingConfig(), run.Path("."), "cpu", evaluates=False)
    assert (plain.report_to, plain.run_name) == ([], tmp_path.name)
