"""`--report-to`: trackers get what the run's own log gets; W&B and trackio need their services."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mcqa.training import trackers


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
