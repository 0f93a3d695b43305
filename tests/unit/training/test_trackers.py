"""Trackers: refused by name where they are not installed, and told where to write."""

import os

import pytest

from mcqa.errors import ConfigError
from mcqa.training.trackers import AVAILABLE, check_trackers, tracking_into


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
    with tracking_into(tmp_path / "tracking", ["tensorboard", "wandb", "trackio"]):
        assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "tracking")
        assert os.environ["WANDB_DIR"] == "elsewhere"
        assert (tmp_path / "tracking").is_dir()
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ
    assert os.environ["WANDB_DIR"] == "elsewhere"


def test_without_a_tracker_nothing_is_made_or_set(tmp_path):
    before = dict(os.environ)
    with tracking_into(tmp_path / "tracking", []):
        assert dict(os.environ) == before
    assert not (tmp_path / "tracking").exists()
