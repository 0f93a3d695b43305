"""Trackers: refused by name where they are not installed, and told where to write."""

import pytest
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from transformers.integrations.integration_utils import rewrite_logs

from mcqa.errors import ConfigError
from mcqa.training.trackers import AVAILABLE, check_trackers, grouped, make_trackers, tracking


def test_a_tracker_that_is_not_installed_is_named_with_its_package(monkeypatch):
    monkeypatch.setitem(AVAILABLE, "tensorboard", lambda: True)
    for name in ("wandb", "trackio"):
        monkeypatch.setitem(AVAILABLE, name, lambda: False)
    check_trackers(["tensorboard"])
    with pytest.raises(
        ConfigError, match=r"report_to: wandb, trackio .*`pip install wandb trackio`"
    ):
        check_trackers(["tensorboard", "wandb", "trackio"])


def test_an_installed_package_is_found(tmp_path, monkeypatch):
    (tmp_path / "trackio.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    check_trackers(["trackio"])


def test_trackers_write_below_the_folder_unless_the_user_says_where(tmp_path, monkeypatch):
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    monkeypatch.setenv("WANDB_DIR", "elsewhere")
    folder = tmp_path / "tracking"
    board, wandb, _ = make_trackers(["tensorboard", "wandb", "trackio"], folder, "run")
    assert board.logging_dir_param == str(folder)
    assert wandb.init_kwargs["dir"] == "elsewhere"
    assert folder.is_dir()


def test_every_tracker_gets_the_runs_name_and_the_users_project(tmp_path, monkeypatch):
    monkeypatch.delenv("TRACKIO_PROJECT", raising=False)
    monkeypatch.setenv("WANDB_PROJECT", "reading")
    made = make_trackers(["wandb", "trackio"], tmp_path, "head")
    assert [tracker.init_kwargs["name"] for tracker in made] == ["head", "head"]
    assert [tracker.run_name for tracker in made] == ["reading", "huggingface"]


def test_trackers_get_the_settings_and_are_closed_whatever_happens(tmp_path):
    class Tracker(GeneralTracker):
        name, requires_logging_directory, tracker = "ours", False, None

        def __init__(self):
            super().__init__()
            self.heard = []

        def store_init_configuration(self, values):
            self.heard.append(values)

        def finish(self):
            self.heard.append("closed")

    ours = Tracker()
    accelerator = Accelerator(log_with=[ours])
    with pytest.raises(KeyboardInterrupt), tracking(accelerator, {"seed": 0}):
        raise KeyboardInterrupt
    assert ours.heard == [{"seed": 0}, "closed"]


def test_values_are_grouped_as_transformers_groups_them():
    values = {"loss": 1.0, "eval_loss": 2.0, "train_loss": 3.0, "epoch": 0.5}
    assert grouped(values) == rewrite_logs(values)


def test_without_a_tracker_nothing_is_made(tmp_path):
    assert make_trackers([], tmp_path / "tracking", "run") == []
    assert not (tmp_path / "tracking").exists()
