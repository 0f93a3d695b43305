"""Killed or interrupted, scoring, evaluation and training go on and end as if nothing happened."""

import json
import os
import signal
import subprocess
import sys

import pytest

from mcqa.evaluating.folder import PREDICTIONS
from mcqa.runs.trained import VALIDATION_FILE, read_record
from mcqa.scoring.orders import ORDERS_FILE
from mcqa.scoring.scorer import Scorer

BATCH = 3  # of 36 questions with 2 to 5 options, 9 of each: 12 batches

KILLED_SCORING = """
import os, signal, sys
from mcqa.cli import main
from mcqa.scoring.scorer import Scorer

score_batch, done = Scorer._score_batch, []

def score(self, batch):
    if len(done) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(batch)
    return score_batch(self, batch)

Scorer._score_batch = score
main(sys.argv[1:])
"""

# The third checkpoint is left without its last file.
KILLED_SAVING = """
import os, signal, sys
from mcqa.cli import main
from mcqa.training import checkpoints

write_progress = checkpoints.write_progress

def killed(path, progress):
    if progress.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write_progress(path, progress)

checkpoints.write_progress = killed
main(sys.argv[1:])
"""


@pytest.fixture
def killed(root):
    """Run a program with arguments in a process that kills itself."""

    def run(program, *arguments):
        environment = os.environ | {"PYTHONPATH": str(root)}
        ended = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr

    return run


@pytest.fixture
def batches(monkeypatch):
    """Count the batches that are scored, and interrupt as often as is asked for."""
    score_batch = Scorer._score_batch

    class Batches(list):
        interrupt_at = None

    done = Batches()

    def score(self, batch):
        if len(done) == done.interrupt_at:
            raise KeyboardInterrupt
        done.append(len(batch))
        return score_batch(self, batch)

    monkeypatch.setattr(Scorer, "_score_batch", score)
    return done


@pytest.fixture
def flags(tiny_model_folder, question_file):
    model = ["--model", tiny_model_folder, "--scorer", "text"]
    return [*model, "--data", question_file, "--batch-size", BATCH]


def test_scoring_goes_on_after_kill_9(command, killed, flags, batches, tmp_path):
    output, unbroken = tmp_path / "p.jsonl", tmp_path / "unbroken.jsonl"
    killed(KILLED_SCORING, "score", *flags, "--output", output)
    assert not output.exists()
    kept = (tmp_path / "p.partial.jsonl").read_bytes()
    assert kept.count(b"\n") == 1 + 5
    (tmp_path / "p.partial.jsonl").write_bytes(kept[:-7])

    result = command("score", *flags, "--output", output)
    assert result.code == 0, result.err
    assert "12 answers are taken over" in result.err
    assert batches == [BATCH] * 8
    assert command("score", *flags, "--output", unbroken).code == 0
    assert output.read_bytes() == unbroken.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"p.jsonl", "unbroken.jsonl"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (["--template", "lettered"], "template: 'cloze' then, 'lettered' now"),
        (["--scorer", "text-mean"], "scorer: 'text' then, 'text-mean' now"),
        (["--limit", 20], "questions: '36 with checksum"),
        (["--batch-size", 4], "batch_size: 3 then, 4 now"),
        (["--dtype", "float32"], "dtype: 'bfloat16' then, 'float32' now"),
        (["--quantization", "nf4"], "quantization: 'none' then, 'nf4' now"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_changed_work_is_refused(command, refused, flags, batches, tmp_path, changed, told):
    flags += ["--output", tmp_path / "p.jsonl"]
    batches.interrupt_at = 2
    interrupted = command("score", *flags)
    assert interrupted.code == 130
    assert "6 answers are kept in" in interrupted.err
    assert "the same command goes on from there" in interrupted.err
    message = refused("score", *flags, *changed)
    assert told in message
    assert "--overwrite" in message
    batches.interrupt_at = None
    assert command("score", *flags, *changed, "--overwrite").code == 0
    assert len(batches) > 12 - 6
    assert not (tmp_path / "p.partial.jsonl").exists()


def test_other_weights_are_refused(command, refused, runs, question_file, batches, tmp_path):
    flags = ["--data", question_file, "--scorer", "text", "--template", "cloze"]
    flags += ["--dtype", "float32", "--output", tmp_path / "p.jsonl"]
    batches.interrupt_at = 2
    assert command("score", "--model", runs["generative"], *flags).code == 130
    base = read_record(runs["generative"])["base_model"]
    message = refused("score", "--model", base, *flags)
    assert "weights: '" in message
    assert "questions" not in message


def test_an_evaluation_goes_on_in_every_part(
    command, flags, validation_file, batches, runs, tmp_path
):
    flags = ["evaluate", *flags, "--model", f"{runs['multiple-choice']}:head"]
    flags += ["--validation-data", validation_file, "--permutations", "cyclic"]
    assert command(*flags, "--output", tmp_path / "unbroken").code == 0
    n = len(batches)
    folder, stops = tmp_path / "run", (5, 9, 20, n - 2)
    batches.clear()
    for stop in stops:
        batches.interrupt_at = stop
        assert command(*flags, "--output", folder).code == 130
    batches.interrupt_at = None
    result = command(*flags, "--output", folder)
    assert result.code == 0, result.err
    assert len(batches) == n  # each once
    names = [path.name for path in folder.iterdir() if (path / PREDICTIONS).exists()]
    assert len(names) == 2
    for name in names:
        for file in (PREDICTIONS, VALIDATION_FILE, ORDERS_FILE):
            unbroken = tmp_path / "unbroken" / name / file
            assert (folder / name / file).read_bytes() == unbroken.read_bytes()
    assert not list(folder.rglob("*.partial.jsonl"))


def test_training_goes_on_after_kill_9_in_the_middle_of_a_checkpoint(
    command, killed, refused, training, runs, tmp_path
):
    flags = ["train", "generative", *training, "--output", tmp_path]
    killed(KILLED_SAVING, *flags)
    torn = tmp_path / "checkpoints" / "checkpoint-3"
    assert torn.is_dir()
    assert not (torn / "progress.json").exists()
    message = refused(*flags, "--resume", "--learning-rate", "1e-3")
    assert "learning_rate: 0.01 then, 0.001 now" in message

    assert command(*flags, "--resume").code == 0
    record, unbroken = read_record(tmp_path), read_record(runs["generative"])
    assert record["trained_sha256"] == unbroken["trained_sha256"]
    assert record["steps"] == unbroken["steps"] == 6
    log = [json.loads(line) for line in (tmp_path / "training_log.jsonl").open()]
    assert [entry["step"] for entry in log if "loss" in entry] == [1, 2, 3, 4, 5, 6]
    assert not (tmp_path / "started.json").exists()


def test_training_says_after_ctrl_c_how_to_go_on(command, training, tmp_path, monkeypatch):
    from mcqa.training.progress import TrainingLog

    def interrupt(self, step):
        if step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingLog, "on_save", interrupt)
    result = command("train", "multiple-choice", *training, "--output", tmp_path)
    assert result.code == 130
    assert "Step 2 is kept in" in result.err
    assert "the same command with --resume goes on from there" in result.err


def test_an_evaluation_that_replaces_another_goes_on_without_overwrite(
    command, killed, flags, batches, tmp_path
):
    flags = ["evaluate", *flags, "--output", tmp_path]
    assert command(*flags).code == 0
    unbroken = (tmp_path / PREDICTIONS).read_bytes()
    killed(KILLED_SCORING, *flags, "--overwrite")
    assert not (tmp_path / "evaluation.json").exists()
    assert not (tmp_path / "report.html").exists()
    batches.clear()
    result = command(*flags)
    assert result.code == 0, result.err
    assert batches == [BATCH] * 7
    assert (tmp_path / PREDICTIONS).read_bytes() == unbroken
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]
    assert command(*flags).code == 2


def test_a_killed_write_of_the_page_is_made_good_without_scoring(
    command, flags, batches, tmp_path, monkeypatch
):
    flags = ["evaluate", *flags, "--output", tmp_path]
    with monkeypatch.context() as patch:
        patch.setattr("mcqa.evaluating.results.write_report", lambda *_, **__: 1 / 0)
        assert command(*flags).code == 1
    batches.clear()
    assert command(*flags).code == 0
    assert not batches
    assert (tmp_path / "report.html").is_file()
