"""The scripts are the commands: the same numbers from the same flags."""

import json
import runpy
import subprocess
import sys

import pytest


@pytest.fixture
def script(root, monkeypatch):
    """Run a script with arguments in this process and return its exit code."""

    def run(name, *arguments):
        path = str(root / "scripts" / name)
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(path, run_name="__main__")
        return ended.value.code

    return run


def test_every_script_is_tested_here(root):
    names = {path.name for path in (root / "scripts").glob("*.py")}
    assert names == {"train_generative.py", "train_multiple_choice.py", "evaluate.py"}


def test_training(script, formulation, training, runs, tmp_path):
    name = f"train_{formulation.replace('-', '_')}.py"
    assert script(name, *training, "--output", tmp_path) == 0
    ours, theirs = (json.loads((f / "run.json").read_text()) for f in (tmp_path, runs[formulation]))
    for field in ("formulation", "trained_sha256", "train_loss"):
        assert ours[field] == theirs[field]


def test_evaluation(script, command, runs, question_file, tmp_path):
    arguments = ["--data", question_file]
    for folder in runs.values():
        arguments += ["--model", folder]
    assert script("evaluate.py", *arguments, "--output", tmp_path / "script") == 0
    assert command("evaluate", *arguments, "--output", tmp_path / "command").code == 0
    names = ["comparison.json", "generative/predictions.jsonl"]
    names.append("multiple-choice/predictions.jsonl")
    for name in names:
        assert (tmp_path / "script" / name).read_text() == (tmp_path / "command" / name).read_text()


def test_a_bad_setting_is_exit_code_2(script, capsys):
    assert script("train_generative.py", "--lora-r", 0) == 2
    assert "lora_r" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train_generative.py", "train_multiple_choice.py", "evaluate.py"])
def test_help_in_a_process_of_its_own(root, tmp_path, name):
    process = subprocess.run(
        [sys.executable, root / "scripts" / name, "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert "--model" in process.stdout
