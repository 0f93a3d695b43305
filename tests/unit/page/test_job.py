import json
import os
import subprocess
import sys

import psutil
import pytest
import yaml

from mcqa.errors import ConfigError
from mcqa.page import job, uploads
from mcqa.page.job import Job


@pytest.fixture
def process(tmp_path, monkeypatch):
    """A process that lives, in a folder of its own; no training is started in its place."""
    monkeypatch.chdir(tmp_path)
    living = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield living
    living.kill()
    living.wait()


def kill(process):
    """Kill a child, and do not ask how it ended: a zombie stays."""
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass


def job_of(process, **more):
    born = psutil.Process(process.pid).create_time()
    return Job("generative", "runs/a", process.pid, born, **more)


def test_a_job_runs_while_its_process_lives(process):
    mine = job_of(process)
    assert mine.running
    assert not mine.finished
    assert not mine.resumable
    kill(process)
    assert not mine.running  # a dead child that nobody asked for yet
    process.wait()
    assert not mine.running


def test_another_process_with_its_number_is_not_it(process):
    assert not Job("generative", "runs/a", process.pid, 1.0).running
    Job("generative", "runs/a", process.pid, 1.0).stop()
    assert process.poll() is None


def test_one_training_at_a_time(process, monkeypatch):
    monkeypatch.setattr(job, "current", lambda: job_of(process))
    with pytest.raises(ConfigError, match=r"runs/a is being trained, and one training runs at a"):
        job.start("generative", job.settings_of("b", {}, ""))
    with pytest.raises(ConfigError, match=r"runs/a is being trained already"):
        job.resume(job_of(process))


def test_what_was_started_is_found_again(process, monkeypatch):
    started = []

    def instead(command, **how):
        started.append((command, how))
        return process

    monkeypatch.setattr(job.subprocess, "Popen", instead)
    path = uploads.keep("a.jsonl", b"{}")
    settings = job.settings_of("b", {"data": str(path)}, "learning_rate: 0.01")
    mine = job.start("multiple-choice", settings, path)
    assert job.current() == mine
    command, how = started[0]
    assert command[1:] == [
        "-m",
        "mcqa",
        "train",
        "multiple-choice",
        "--config",
        "runs/.training.yaml",
    ]
    assert how["start_new_session"]
    kept = yaml.safe_load((job.RUNS / job.SETTINGS).read_text())
    assert kept == {"data": str(path), "learning_rate": 0.01, "output": "runs/b"}
    kill(process)
    again = job.resume(job.current())
    assert started[1][0] == [*command, "--resume"]
    (job.RUNS / "b").mkdir()
    (job.RUNS / "b" / "run.json").write_text("{}")
    assert path.exists()
    job.tidy(again)
    assert not path.parent.exists()


def test_an_upload_goes_when_another_training_starts(process, monkeypatch):
    path = uploads.keep("a.jsonl", b"{}")
    before = Job("generative", "runs/a", 2**22, 1.0, str(path))
    monkeypatch.setattr(job, "current", lambda: before)
    monkeypatch.setattr(job.subprocess, "Popen", lambda *command, **how: process)
    job.start("generative", job.settings_of("b", {}, ""))
    assert not path.parent.exists()


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".a", "-a", "a" * 101])
def test_a_runs_name_is_one_of_a_folder(name):
    with pytest.raises(ConfigError, match="run name"):
        job.settings_of(name, {}, "")


@pytest.mark.parametrize(("more", "said"), [("a: [", "not YAML"), ("- a", "lines is wanted")])
def test_further_settings_are_yaml(more, said):
    with pytest.raises(ConfigError, match=said):
        job.settings_of("a", {}, more)


def test_settings_are_checked_all_at_once():
    settings = job.settings_of("a", {"batch_size": 0}, "no_such: 1")
    with pytest.raises(ConfigError, match=r"(?s)batch_size.*no_such"):
        job.checked_settings(settings)


def test_curves_are_what_the_log_holds(tmp_path):
    lines = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}, {"step": 2, "eval_loss": 1.5}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "training_log.jsonl").write_text(text + '{"step": 3, "lo')
    assert job.curves(str(tmp_path)) == {
        "loss": [{"step": 1, "value": 2.0}, {"step": 2, "value": 1.0}],
        "validation loss": [{"step": 2, "value": 1.5}],
    }
    assert job.curves(str(tmp_path / "none")) == {}


def test_the_log_tells_how_far_it_is_and_why_it_ended():
    told = (
        "Training\n  step 1/4  loss 2.000  1 s, 3 s left\n  step 2/4  loss 1.000  2 s, 2 s left\n"
    )
    assert job.progress_in(told) == (2, 4, "2 s left")
    assert job.progress_in("Training") is None
    assert job.error_in(f"{told}Error: interrupted. Step 2 is kept.\n") == (
        "interrupted. Step 2 is kept."
    )
    assert job.error_in(told) == ""


def test_a_broken_state_is_no_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert job.current() is None
    os.mkdir("runs")
    (job.RUNS / job.STATE).write_text("{")
    assert job.current() is None
