"""`--report-to`: trackers get what the Trainer logs; W&B and trackio need their services."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mcqa.training import trackers
from mcqa.training.arguments import trainer_arguments
from mcqa.training.config import TrainingConfig


def test_tensorboard_gets_what_the_runs_own_log_gets(command, training, tmp_path, monkeypatch):
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    folder = tmp_path / "run"
    flags = [*training, "--output", folder, "--report-to", "tensorboard"]
    for _ in range(2):  # --overwrite starts its log anew
        result = command("train", "multiple-choice", *flags, "--overwrite")
        assert result.code == 0, result.err
        log = [json.loads(line) for line in (folder / "training_log.jsonl").open()]
        (written,) = (folder / "tracking").iterdir()
        events = EventAccumulator(str(written)).Reload().Scalars("train/loss")
        logged = [(entry["step"], pytest.approx(entry["loss"])) for entry in log if "loss" in entry]
        assert [(event.step, event.value) for event in events] == logged
        assert len(logged) == 6
    record = json.loads((folder / "run.json").read_text())
    assert record["settings"]["report_to"] == ["tensorboard"]


def test_a_missing_tracker_is_refused_before_anything_is_read(refused, tmp_path, monkeypatch):
    monkeypatch.setitem(trackers.AVAILABLE, "wandb", lambda: False)
    flags = ["--data", tmp_path / "missing.jsonl", "--output", tmp_path / "run"]
    assert "`pip install wandb`" in refused("train", "generative", *flags, "--report-to", "wandb")
    assert not (tmp_path / "run").exists()


def test_every_tracker_gets_the_output_folders_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainingConfig(report_to=("wandb", "trackio"), device="cpu")
    arguments = trainer_arguments(config, Path("runs/head"), "cpu", "adamw_torch", False)
    assert (arguments.report_to, arguments.run_name) == (["wandb", "trackio"], "head")
    plain = trainer_arguments(TrainingConfig(), Path("."), "cpu", "adamw_torch", False)
    assert (plain.report_to, plain.run_name) == ([], tmp_path.name)
