"""`mcqa train --shuffle-options`: another run than without, the same when it goes on."""

import pytest

from mcqa.runs.trained import read_record
from mcqa.training.progress import TrainingLog


@pytest.fixture
def train(command, training, tmp_path):
    def run(name, *settings, code=0):
        flags = ["--template", "lettered", "--objective", "options", *settings]
        result = command("train", "generative", *training, *flags, "--output", tmp_path / name)
        assert result.code == code, result.err
        return result

    return run


def test_an_interrupted_run_ends_as_an_unbroken_one(
    train, refused, training, tmp_path, monkeypatch
):
    train("plain")
    train("unbroken", "--shuffle-options")
    saved = TrainingLog.on_save

    def interrupt(self, step):
        saved(self, step)
        if step == 4:  # the first of the second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLog, "on_save", interrupt)
        train("stopped", "--shuffle-options", code=130)
    flags = ["--template", "lettered", "--objective", "options", "--resume"]
    told = refused("train", "generative", *training, *flags, "--output", tmp_path / "stopped")
    assert "shuffle_options: True then, False now" in told
    train("stopped", "--shuffle-options", "--resume")
    records = {name: read_record(tmp_path / name) for name in ("plain", "unbroken", "stopped")}
    sums = {name: record["trained_sha256"] for name, record in records.items()}
    assert sums["stopped"] == sums["unbroken"] != sums["plain"]
    assert records["unbroken"]["settings"]["shuffle_options"] is True
