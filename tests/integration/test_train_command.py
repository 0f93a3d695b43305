"""`mcqa train`: what a run folder holds, what is refused, and how a run goes on."""

import hashlib
import io
import json
import math
import re
import shutil

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from transformers import AutoTokenizer

from mcqa.cli import common
from mcqa.runs.trained import TRAINED_FILE

SIDES = 2 * (128 + 96 + 96 + 128 + 3 * 192)  # in + out of all projections of two layers
PROJECTIONS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def read_json(path):
    return json.loads(path.read_text())


def read_log(folder):
    return [json.loads(line) for line in (folder / "training_log.jsonl").open()]


def test_a_run_records_what_was_done(runs, formulation, tiny_model_folder, question_file):
    record = read_json(runs[formulation] / "run.json")
    head = 64 if formulation == "multiple-choice" else 0
    expected = {
        "formulation": formulation.replace("-", "_"),
        "template": "cloze",
        "base_model": str(tiny_model_folder),
        "quantization": "none",
        "dtype": "float32",
        "max_length": 256 - (formulation == "generative"),  # the end of an answer
        "train": {
            "n": 36,
            "used": 36,
            "sets": [
                {
                    "source": str(question_file),
                    "split": None,
                    "n": 36,
                    "sha256": hashlib.sha256(question_file.read_bytes()).hexdigest(),
                    "commit": None,
                    "rejected": 0,
                    "skipped": 0,
                    "weight": 1,
                    "used": 36,
                }
            ],
        },
        "validation": None,
        "seed": 0,
        "steps": 6,  # 36 questions, 12 a step, twice
        "trainable_parameters": 4 * SIDES + head,
        "target_modules": sorted(PROJECTIONS),
        "device": "cpu",
        "threads": torch.get_num_threads(),
    }
    assert {name: record[name] for name in expected} == expected
    assert record["settings"].items() >= {"lora_r": 4, "learning_rate": 0.01, "epochs": 2}.items()
    assert record["versions"]["torch"] == torch.__version__
    assert record["versions"].keys() >= {"mcqa", "python", "transformers", "peft", "bitsandbytes"}
    assert 0 < record["seconds"] < 600


def test_a_run_holds_adapter_tokenizer_card_and_log(runs, formulation, tiny_tokenizer):
    folder = runs[formulation]
    record = read_json(folder / "run.json")
    adapter = read_json(folder / "adapter_config.json")
    assert (adapter["r"], adapter["lora_alpha"], adapter["use_rslora"]) == (4, 16, True)
    assert set(adapter["target_modules"]) == PROJECTIONS
    assert adapter["base_model_name_or_path"] == record["base_model"]

    tensors = load_file(folder / "adapter_model.safetensors")
    assert sum("lora_A" in name for name in tensors) == 14
    assert sum("lora_B" in name for name in tensors) == 14
    heads = [tensor.shape for name, tensor in tensors.items() if "option_head" in name]
    assert heads == ([(1, 64)] if formulation == "multiple-choice" else [])
    assert sum(tensor.numel() for tensor in tensors.values()) == record["trainable_parameters"]
    assert (folder / "adapter_model.safetensors").stat().st_size == record["adapter_bytes"]

    text = "Which of these is a fruit?"
    assert AutoTokenizer.from_pretrained(folder)(text) == tiny_tokenizer(text)

    card = (folder / "README.md").read_text()
    assert f"base_model: {record['base_model']}" in card
    for told in (record["formulation"], "cloze", f"{record['trainable_parameters']:,}", "36 from"):
        assert told in card

    log = [entry for entry in read_log(folder) if "loss" in entry]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4, 5, 6]
    assert log[-1]["loss"] < 0.6 * log[0]["loss"]
    mean = sum(entry["loss"] for entry in log) / 6
    assert record["train_loss"] == pytest.approx(mean, rel=1e-5)


def test_validation_keeps_the_best_step(command, training, wrong_file, tmp_path):
    settings = ["--validation-data", wrong_file, "--validation-limit", 24, "--output", tmp_path]
    result = command("train", "multiple-choice", *training, *settings)
    assert result.code == 0
    assert "step 6/6  validation loss" in result.err

    record = read_json(tmp_path / "run.json")
    assert (record["validation"]["source"], record["validation"]["n"]) == (str(wrong_file), 24)
    losses = {e["step"]: e["eval_loss"] for e in read_log(tmp_path) if "eval_loss" in e}
    best = min(losses, key=losses.get)
    assert list(losses) == [1, 2, 3, 4, 5, 6]
    assert losses[6] > 1.1 * losses[best]
    assert record["best_step"] == best

    output = tmp_path / "p.jsonl"
    data = ["--data", wrong_file, "--limit", 24, "--output", output]
    assert command("score", "--model", tmp_path, *data).code == 0
    rows = [json.loads(line) for line in output.open()]
    entropy = -sum(math.log(row["probabilities"][row["label"]]) for row in rows) / len(rows)
    assert entropy == pytest.approx(losses[best], rel=1e-4)


def test_evaluates_saves_and_logs_every_n_steps(
    command, formulation, training, question_file, tmp_path
):
    settings = ["--steps-between", 2, "--max-steps", 4, "--output", tmp_path]
    settings += ["--validation-data", question_file]
    assert command("train", formulation, *training, *settings).code == 0
    log = read_log(tmp_path)
    for name in ("loss", "eval_loss"):
        assert [entry["step"] for entry in log if name in entry] == [2, 4]
    assert read_json(tmp_path / "run.json")["best_step"] == 4
    saved = load_file(tmp_path / "checkpoints" / "checkpoint-4" / TRAINED_FILE)
    names = {name: re.sub(r"\.modules_to_save|\.default", "", name) for name in saved}
    saved = {names[name]: tensor for name, tensor in saved.items()}
    kept = load_file(tmp_path / "adapter_model.safetensors")
    assert kept.keys() == saved.keys()
    assert all(torch.equal(kept[name], saved[name]) for name in kept)


def test_a_flag_overrides_the_file_and_json_is_the_record(command, training, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("template: lettered\nseed: 7\nmax_steps: 2\ntarget_modules: [q_proj]\n")
    settings = ["--config", config, "--max-steps", 1, "--output", tmp_path / "run"]
    result = command("train", "generative", *training, *settings, "--format", "json")
    assert result.code == 0
    record = json.loads(result.out)
    assert record == read_json(tmp_path / "run" / "run.json")
    assert (record["template"], record["seed"], record["steps"]) == ("lettered", 7, 1)
    assert record["settings"]["target_modules"] == ["q_proj"]
    assert record["trainable_parameters"] == 4 * 2 * (64 + 64)


@pytest.fixture
def finished(runs, tmp_path):
    """A copy of a finished run, and the bytes of its files."""
    folder = tmp_path / "run"
    shutil.copytree(runs["generative"], folder)
    return folder, {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("flags", [[], ["--resume"]])
def test_a_finished_run_is_not_replaced_unasked(refused, finished, training, flags):
    folder, files = finished
    message = refused("train", "generative", *training, "--output", folder, *flags)
    assert str(folder) in message
    assert "--overwrite" in message
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == files


def test_overwrite_replaces_a_finished_run(command, finished, training):
    folder, _ = finished
    settings = ["--output", folder, "--overwrite", "--seed", 3, "--max-steps", 1]
    assert command("train", "multiple-choice", *training, *settings).code == 0
    record = read_json(folder / "run.json")
    assert (record["formulation"], record["seed"]) == ("multiple_choice", 3)
    assert [entry["step"] for entry in read_log(folder) if "loss" in entry] == [1]
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["checkpoint-1"]


@pytest.mark.parametrize(
    "fault", [["--data", "absent.jsonl"], ["--model", "./absent"], ["--target-modules", "absent"]]
)
def test_overwrite_keeps_a_finished_run_where_nothing_can_be_trained(
    command, finished, training, fault
):
    folder, files = finished
    result = command("train", "generative", *training, "--output", folder, "--overwrite", *fault)
    assert result.code
    assert all(path.is_file() and path.read_bytes() == files[path] for path in files)


def test_overwrite_deletes_nothing_that_is_not_a_runs(command, training, question_file, tmp_path):
    data = tmp_path / "questions.jsonl"
    data.write_bytes(question_file.read_bytes())
    settings = ["--data", data, "--output", tmp_path, "--overwrite", "--max-steps", 1]
    command("train", "generative", *training, *settings)
    assert data.is_file()


@pytest.fixture
def interrupted(command, training, tmp_path, monkeypatch):
    """The folder of a run of the generative formulation that is interrupted in step 4 of 6."""
    from mcqa.cli import train

    def interrupt(line):
        if "step 4/6" in line:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "say", interrupt)
        result = command("train", "generative", *training, "--output", tmp_path)
    assert result.code == 130
    assert "Error: interrupted. Step 3 is kept in" in result.err
    assert not (tmp_path / "run.json").exists()
    return tmp_path


def test_an_unfinished_run_is_no_model_and_goes_on_only_when_asked(
    refused, interrupted, training, question_file
):
    message = refused("train", "generative", *training, "--output", interrupted)
    assert "--resume" in message
    assert "--overwrite" in message
    data = ["--data", question_file, "--output", interrupted / "p.jsonl"]
    assert "run.json" in refused("score", "--model", interrupted, *data)


def test_a_resumed_run_ends_as_if_never_interrupted(command, interrupted, training, runs):
    result = command("train", "generative", *training, "--output", interrupted, "--resume")
    assert result.code == 0
    assert "step 3/6" not in result.err
    record, whole = (read_json(f / "run.json") for f in (interrupted, runs["generative"]))
    assert record["steps"] == 6
    assert record["trained_sha256"] == whole["trained_sha256"]
    losses = {e["step"]: e["loss"] for e in read_log(interrupted) if "loss" in e}
    assert losses == {e["step"]: e["loss"] for e in read_log(runs["generative"]) if "loss" in e}


def test_a_resumed_runs_training_loss_is_that_of_all_its_steps(
    command, interrupted, training, runs
):
    assert command("train", "generative", *training, "--output", interrupted, "--resume").code == 0
    record, whole = (read_json(f / "run.json") for f in (interrupted, runs["generative"]))
    assert record["train_loss"] == pytest.approx(whole["train_loss"], rel=1e-5)


def test_resume_with_nothing_to_resume_starts(command, training, tmp_path):
    settings = ["--output", tmp_path, "--resume", "--max-steps", 1]
    assert command("train", "generative", *training, *settings).code == 0
    assert read_json(tmp_path / "run.json")["steps"] == 1


def test_training_needs_labels(refused, training, unlabelled_file, tmp_path):
    settings = ["--data", unlabelled_file, "--output", tmp_path / "run"]
    message = refused("train", "generative", *training, *settings)
    assert "line 1: question 'q0' has no right answer; one is needed here" in message
    assert str(unlabelled_file) in message


def test_all_faults_of_the_settings_are_told_at_once(refused, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("lora_rank: 8\nquantization: int4\nwarmup_steps: -1\n")
    settings = ["--config", config, "--epochs", "many", "--batch-size", 0]
    message = refused("train", "multiple-choice", *settings, "--output", tmp_path / "run")
    for name in ("lora_rank", "quantization", "warmup_steps", "epochs", "batch_size"):
        assert f"\n  {name}" in message
    assert "'nf4', 'fp4', 'int8' or 'none'" in message
    assert not (tmp_path / "run").exists()


def test_resume_and_overwrite_exclude_each_other_in_one_short_line(refused, training, tmp_path):
    flags = ["--output", tmp_path, "--resume", "--overwrite"]
    message = refused("train", "generative", *training, *flags)
    assert "resume and overwrite exclude each other" in message
    assert "learning_rate" not in message


def test_a_run_of_the_other_formulation_is_no_start(refused, training, runs, tmp_path):
    settings = ["--model", runs["multiple-choice"], "--output", tmp_path / "run"]
    assert "Name its base model" in refused("train", "generative", *training, *settings)


@pytest.mark.parametrize("name", ["generative", "multiple-choice"])
def test_training_goes_on_from_a_run(command, training, runs, tmp_path, name):
    settings = ["--model", runs[name], "--output", tmp_path, "--warmup-steps", 0]
    assert command("train", name, *training, *settings).code == 0
    first, second = read_json(runs[name] / "run.json"), read_json(tmp_path / "run.json")
    assert second["base_model"] == first["base_model"]
    assert second["started_from"] == str(runs[name])
    assert second["trained_sha256"] != first["trained_sha256"]
    assert second["trainable_parameters"] == first["trainable_parameters"]
    assert read_log(tmp_path)[0]["loss"] < 0.8 * read_log(runs[name])[0]["loss"]
    data = ["--data", training[training.index("--data") + 1], "--output", tmp_path / "p.jsonl"]
    assert command("score", "--model", tmp_path, *data).code == 0


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--device", "nonsense"),
        ("--target-modules", "nonsense"),
        ("--max-length", 3),
        ("--model", "owner/no-such-model"),
        ("--data", "owner/no-such-data"),
        ("--config", "absent.yaml"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(refused, training, tmp_path, flag, value):
    message = refused("train", "generative", *training, flag, value, "--output", tmp_path / "run")
    assert str(value) in message


def test_an_output_that_is_a_file_is_refused(refused, training, question_file):
    message = refused("train", "generative", *training, "--output", question_file)
    assert str(question_file) in message


def test_a_setting_without_effect_is_not_passed_over_in_silence(command, training, tmp_path):
    settings = ["--validation-limit", 5, "--max-steps", 1, "--output", tmp_path]
    result = command("train", "generative", *training, *settings)
    assert "validation" in result.err


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_a_live_bar_and_a_file_gets_lines_alone(
    command, training, wrong_file, tmp_path, monkeypatch, terminal
):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100, soft_wrap=True)
    monkeypatch.setattr(common, "err", console)
    flags = [*training, "--steps-between", 4, "--output", tmp_path]
    flags += ["--validation-data", wrong_file, "--validation-limit", 8]
    assert command("train", "generative", *flags).code == 0
    shown = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()))
    bars = [line for line in shown if "━" in line]
    assert bool(bars) == terminal
    lines = [line for line in shown if re.match(r"  step \d+/6  (validation )?loss ", line)]
    assert len(lines) >= 2
    assert all(line.rstrip().endswith("s left") for line in lines)
    if terminal:
        # The loss of the sixth step, which no line tells.
        assert re.search(r"training ━+ 72/72 \S+ loss \d\.\d{3}", "\n".join(bars))
        assert any(re.match(r"validation ━+ 8/8 ", line) for line in bars)
