"""Two processes, started as users start them: what one process would come to, written once.

gloo on the CPU, in float32. Sums in another order differ in the last bits: losses agree to 1e-5 of
their size, weights to 1e-4 of the largest.
"""

import functools
import json
import shutil
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

from mcqa.evaluating.folder import PREDICTIONS
from mcqa.prediction import read_predictions
from mcqa.runs.trained import ADAPTER_FILE, VALIDATION_FILE, read_record
from mcqa.scoring.orders import ORDERS_FILE
from mcqa.system.locks import locked

# Something that ends a process, put in by name: the second process, in its third batch.
PATCHED_SCORING = """
import os, signal, sys
from mcqa.system import processes
from mcqa.cli import main
from mcqa.errors import RunError
from mcqa.scoring.scorer import Scorer

score_batch, done = Scorer._score_batch, []

def score(self, batch):
    if processes.index() == 1 and len(done) == 2:
        END
    done.append(batch)
    return score_batch(self, batch)

Scorer._score_batch = score
main()
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
FAIL = "raise RunError('question q7: the machine is on fire.')"

# What writes down the threads that each process still has when Python ends.
ENDING = """
import atexit
from pathlib import Path
from mcqa.system import processes
from mcqa.cli import main

def tell():
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    Path(f"FOLDER/threads.{processes.index()}").write_text(" ".join(names))

atexit.register(tell)
main()
"""

KILLED_TRAINING = """
import os, signal
from mcqa.system import processes
from mcqa.cli import main
from mcqa.training import loop

loss_of, steps = loop.loss_of, []

def killed(model, *others):
    steps.extend([1] if model.training else [])
    if len(steps) == 7 and processes.index() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return loss_of(model, *others)

loop.loss_of = killed
main()
"""


def _train(formulation, training, validation_file, folder, batch):
    flags = ["--limit", 31, "--batch-size", batch, "--output", folder]
    flags += ["--validation-data", validation_file, "--validation-limit", 33]
    return ["train", formulation, *training, *flags]


@pytest.fixture(scope="session")
def trained_twice(run_main, two, training, validation_file, tmp_path_factory):
    """Train a formulation by one process and by two: 31 questions, 10 a step, so one is left."""

    @functools.cache
    def train(formulation):
        folder, settings = tmp_path_factory.mktemp("pair"), (formulation, training, validation_file)
        assert run_main(*_train(*settings, folder / "one", 10)) == 0
        ended = two("-m", "mcqa", *_train(*settings, folder / "two", 5))
        assert ended.returncode == 0, ended.stderr
        return folder / "one", folder / "two", ended

    return train


@pytest.fixture
def pair(trained_twice, formulation):
    return trained_twice(formulation)


def _logged(folder, name):
    entries = [json.loads(line) for line in (folder / "training_log.jsonl").open()]
    return [entry[name] for entry in entries if name in entry]


def test_training_takes_the_same_steps(pair):
    one, two, _ = pair
    for name in ("loss", "eval_loss", "grad_norm", "step"):
        assert _logged(two, name) == pytest.approx(_logged(one, name), rel=1e-5)
    assert len(_logged(one, "loss")) == 8
    assert _logged(one, "loss")[-1] < 0.7 * _logged(one, "loss")[0]
    ours, theirs = load_file(two / ADAPTER_FILE), load_file(one / ADAPTER_FILE)
    for name, tensor in theirs.items():
        assert ours[name] == pytest.approx(tensor, abs=1e-4 * tensor.abs().max().item())


def test_training_keeps_and_records_the_same(pair):
    one, two, _ = pair
    ours, theirs = read_record(two), read_record(one)
    assert (theirs["processes"], ours["processes"]) == (1, 2)
    for name in ("steps", "best_step", "trainable_parameters", "train", "validation"):
        assert ours[name] == theirs[name]
    assert ours["validation_accuracy"] == theirs["validation_accuracy"]
    ours, theirs = (read_predictions(folder / VALIDATION_FILE) for folder in (two, one))
    assert [p.id for p in ours] == [p.id for p in theirs]
    assert len(ours) == 33
    for a, b in zip(ours, theirs, strict=True):
        assert a.scores == pytest.approx(b.scores, abs=1e-3)


def test_training_prints_and_writes_once(pair):
    one, two, ended = pair
    assert ended.stdout == ""
    assert ended.stderr.count("10 questions a step (processes 2 x batch 5 x accumulation 1)") == 1
    assert ended.stderr.count("step 8/8  validation loss") == 1
    assert "Warning" not in ended.stderr.replace("OMP_NUM_THREADS", "")
    names = [{path.name for path in folder.iterdir()} for folder in (one, two)]
    assert names[0] == names[1]


def test_an_evaluation_is_the_same_to_the_last_byte(
    command, two, root, scoring, runs, validation_file, tmp_path
):
    flags = [*scoring, "--model", f"{runs['multiple-choice']}:head", "--permutations", 2]
    flags += ["--validation-data", validation_file]
    assert command("evaluate", *flags, "--output", tmp_path / "one").code == 0
    ended = two(root / "scripts" / "evaluate.py", *flags, "--output", tmp_path / "two")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("Scoring 36 questions with 2 model(s)") == 1
    assert ended.stdout.count("accuracy (95%)") == 1
    written = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.jsonl")]
    assert {path.name for path in written} >= {PREDICTIONS, ORDERS_FILE, VALIDATION_FILE}
    for path in written:
        assert (tmp_path / "two" / path).read_bytes() == (tmp_path / "one" / path).read_bytes()
    assert not list((tmp_path / "two").rglob("*.partial.*"))


@pytest.fixture
def program(tmp_path):
    """Write a program and return its path."""

    def write(text):
        path = tmp_path / "program.py"
        path.write_text(text)
        return path

    return write


def test_killed_scoring_goes_on_with_any_number_of_processes(
    command, two, scoring, program, tmp_path, tiny_questions
):
    killed, unbroken = tmp_path / "killed", tmp_path / "unbroken.jsonl"
    flags = ["score", *scoring, "--output"]
    ended = two(program(PATCHED_SCORING.replace("END", KILL)), *flags, killed / "p.jsonl")
    assert ended.returncode != 0
    kept = {path.name for path in killed.glob("[!.]*")}  # the lock file may lie there or not
    assert kept == {"p.partial.jsonl", "p.partial.jsonl.1"}
    assert (killed / "p.partial.jsonl.1").read_text().count("\n") == 1 + 2
    shutil.copytree(killed, tmp_path / "again")

    assert command(*flags, unbroken).code == 0
    with locked(tmp_path / "again" / "p.partial.jsonl"):
        ended = two("-m", "mcqa", *flags, tmp_path / "again" / "p.jsonl")
        assert ended.returncode != 0
        (line,) = _errors(ended)
        assert "p.partial.jsonl is in use by another process" in line
    alone = command(*flags, killed / "p.jsonl")
    assert alone.code == 0, alone.err
    assert "answers are taken over" in alone.err
    ended = two("-m", "mcqa", *flags, tmp_path / "again" / "p.jsonl")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("answers are taken over") == 1
    assert [p.id for p in read_predictions(unbroken)] == [q.id for q in tiny_questions]
    for folder in (killed, tmp_path / "again"):
        assert (folder / "p.jsonl").read_bytes() == unbroken.read_bytes()
        assert [path.name for path in folder.iterdir()] == ["p.jsonl"]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux")
def test_nothing_talks_any_more_when_python_ends(two, scoring, program, tmp_path):
    ended = two(
        program(ENDING.replace("FOLDER", str(tmp_path))),
        *("score", *scoring, "--output", tmp_path / "p.jsonl"),
    )
    assert ended.returncode == 0, ended.stderr
    for index in range(2):
        threads = (tmp_path / f"threads.{index}").read_text()
        assert "python" in threads
        assert "gloo" not in threads  # one that lets a tensor go too late aborts the process


def _errors(ended):
    """Return the lines of errors; what the launcher reports comes behind them."""
    ours = ended.stderr.partition("torch/distributed/elastic")[0]
    assert "Traceback" not in ours.rpartition("Error:")[0]
    return [line for line in ended.stderr.splitlines() if line.startswith("Error:")]


def test_an_error_in_one_process_ends_all_with_one_line(two, scoring, program, tmp_path):
    failing = program(PATCHED_SCORING.replace("END", FAIL))
    ended = two(failing, "score", *scoring, "--output", tmp_path / "p.jsonl")
    assert ended.returncode != 0
    assert _errors(ended) == ["Error: question q7: the machine is on fire."]
    assert not (tmp_path / "p.jsonl").exists()


def test_an_error_in_all_processes_is_one_line(two, tmp_path):
    ended = two("-m", "mcqa", "merge", tmp_path, "--output", tmp_path / "merged")
    assert ended.returncode != 0
    (line,) = _errors(ended)
    assert line.startswith("Error: mcqa merge runs in one process; 2 were started.")


def test_killed_training_goes_on_with_as_many_processes(
    refused, two, training, validation_file, program, trained_twice, tmp_path
):
    _, unbroken, _ = trained_twice("multiple-choice")
    flags = _train("multiple-choice", training, validation_file, tmp_path / "run", 5)
    ended = two(program(KILLED_TRAINING), *flags)
    assert ended.returncode != 0
    assert f"-{signal.SIGKILL}" in ended.stderr
    message = refused(*flags, "--resume")
    assert "processes: 2 then, 1 now" in message
    ended = two("-m", "mcqa", *flags, "--resume")
    assert ended.returncode == 0, ended.stderr
    record, expected = read_record(tmp_path / "run"), read_record(unbroken)
    assert record["trained_sha256"] == expected["trained_sha256"]
    assert record["validation_accuracy"] == expected["validation_accuracy"]
