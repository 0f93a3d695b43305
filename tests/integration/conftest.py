"""Run the command line in this process, on the tiny model and its questions."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mcqa.cli import main

FORMULATIONS = ("generative", "multiple-choice")


@pytest.fixture(scope="session")
def root():
    """The project's folder, with its scripts, configs and docs."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def run_main():
    """Run `mcqa` with arguments and return its exit code."""

    def run(*arguments) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code

    return run


@pytest.fixture
def command(run_main, capsys):
    """Run `mcqa` with arguments and return its exit code and what it printed."""

    def run(*arguments) -> SimpleNamespace:
        capsys.readouterr()
        code = run_main(*arguments)
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return run


@pytest.fixture
def refused(command):
    """Run `mcqa`, see it refuse bad input with one error and no traceback, return the message."""

    def run(*arguments) -> str:
        result = command(*arguments)
        assert result.code == 2, result.err
        errors = [line for line in result.err.splitlines() if line.startswith("Error:")]
        assert len(errors) == 1, result.err
        assert "Traceback" not in result.out + result.err
        return result.err.partition("Error:")[2]

    return run


def _write(path, questions, label):
    rows = [
        {"id": q.id, "question": q.stem, "options": q.options, "label": label(q)} for q in questions
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("questions")


@pytest.fixture(scope="session")
def question_file(data_folder, tiny_questions):
    return _write(data_folder / "questions.jsonl", tiny_questions, lambda q: q.label)


@pytest.fixture(scope="session")
def wrong_file(data_folder, tiny_questions):
    """The same questions with wrong labels: who learns the right ones does worse here."""
    return _write(
        data_folder / "wrong.jsonl", tiny_questions, lambda q: (q.label + 1) % len(q.options)
    )


@pytest.fixture(scope="session")
def validation_file(data_folder, tiny_questions):
    """Other questions than `question_file` has: each asks for a tool."""
    asked = [replace(q, id=f"v{q.id}", stem=f"{q.stem} Or not?") for q in tiny_questions]
    return _write(data_folder / "validation.jsonl", asked, lambda q: (q.label + 1) % len(q.options))


@pytest.fixture(scope="session")
def unlabelled_file(data_folder, tiny_questions):
    return _write(data_folder / "unlabelled.jsonl", tiny_questions, lambda q: None)


@pytest.fixture(scope="session")
def training(tiny_model_folder, question_file):
    """The flags of a quick and exact training run, but for its output: 6 steps in 2 seconds."""
    flags = "--device cpu --quantization none --dtype float32 --optimizer adamw_torch --lora-r 4"
    flags += " --warmup-steps 0 --learning-rate 1e-2 --batch-size 12 --epochs 2 --steps-between 1"
    return ["--model", tiny_model_folder, "--data", question_file, *flags.split()]


@pytest.fixture(scope="session")
def runs(run_main, training, tmp_path_factory):
    """A finished run folder of each formulation, to be read and not changed."""
    folder = tmp_path_factory.mktemp("runs")
    for formulation in FORMULATIONS:
        assert run_main("train", formulation, *training, "--output", folder / formulation) == 0
    return {formulation: folder / formulation for formulation in FORMULATIONS}


@pytest.fixture(params=FORMULATIONS)
def formulation(request):
    return request.param


@pytest.fixture(scope="session")
def scoring(tiny_model_folder, question_file):
    """The flags of scoring 36 questions, 9 each with 2 to 5 options, in 12 batches."""
    model = ["--model", tiny_model_folder, "--scorer", "text"]
    return [*model, "--data", question_file, "--batch-size", 3]


@pytest.fixture(scope="session")
def start(root):
    """Start a launcher with arguments and return how it ended."""

    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": str(root)}
        return subprocess.run(
            [sys.executable, "-m", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def two(start):
    """Start a program as two processes with arguments and return how it ended.

    The launcher finds a port itself: one looked for before it could be taken by then.
    """
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]

    def run(*arguments):
        flags = ["--nproc-per-node", 2, *meeting, "--local-addr", "127.0.0.1"]
        return start("torch.distributed.run", *flags, *arguments)

    return run
