"""The files in `configs/`: every one loads, and the course's recipe is the course's."""

from pathlib import Path

import datasets
import pytest
import yaml

from mcqa.training.config import load_config

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
CPU, MEDMCQA = CONFIGS
FORMULATIONS = ("generative", "multiple-choice")

COURSE = {
    "model": "unsloth/Llama-3.2-1B-bnb-4bit",
    "data": ("openlifescienceai/medmcqa",),
    "split": "train",
    "validation_split": "validation",
    "quantization": "nf4",
    "lora_r": 16,
    "lora_alpha": 16,
    "rslora": True,
    "target_modules": (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ),
    "learning_rate": 3e-4,
    "warmup_steps": 10,
    "batch_size": 64,
    "accumulation": 16,
    "epochs": 2,
    "steps_between": 50,
    "optimizer": "adamw_8bit",
    "weight_decay": 0.01,
    "gradient_checkpointing": True,
    "seed": 0,
}


def test_each_file_says_something_of_its_own():
    assert (CPU.stem, MEDMCQA.stem) == ("cpu", "medmcqa-llama-3.2-1b")
    assert load_config(str(CPU), {}) != load_config(str(MEDMCQA), {})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_file_is_accepted(path):
    config = load_config(str(path), {})
    for name, value in yaml.safe_load(path.read_text()).items():
        held = getattr(config, name)
        several = value if isinstance(value, list) else [value]
        assert list(held) == several if isinstance(held, tuple) else held == value


def test_medmcqa_is_the_courses_recipe():
    config = load_config(str(MEDMCQA), {}).model_dump()
    assert {name: config[name] for name in COURSE} == COURSE


@pytest.fixture
def medmcqa_on_the_hub(monkeypatch):
    """Four training and two validation rows, labels from 0, where the Hub would be asked."""
    rows = [
        {
            "question": f"Which of these is fruit number {number}?",
            "opa": "apple",
            "opb": "hammer",
            "opc": "saw",
            "opd": "nail",
            "cop": 0,
            "exp": "It grows on a tree.",
            "id": f"m{number}",
            "subject_name": "Botany",
        }
        for number in range(6)
    ]
    parts = {"train": rows[:4], "validation": rows[4:]}

    def load_dataset(name, configuration, split):
        assert (name, configuration) == ("openlifescienceai/medmcqa", None)
        return datasets.Dataset.from_list(parts[split])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_the_courses_recipe_trains_where_the_model_is_tiny(
    command, formulation, medmcqa_on_the_hub, tiny_model_folder, tmp_path
):
    small = ["--model", tiny_model_folder, "--batch-size", 2, "--accumulation", 2, "--epochs", 1]
    small += ["--steps-between", 1, "--device", "cpu", "--output", tmp_path]
    result = command("train", formulation, "--config", MEDMCQA, *small)
    assert result.code == 0, result.err
    record = yaml.safe_load((tmp_path / "run.json").read_text())
    assert record["formulation"] == formulation.replace("-", "_")
    assert (record["template"], record["quantization"]) == ("lettered", "nf4")
    assert (record["train"]["n"], record["validation"]["n"], record["steps"]) == (4, 2, 1)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_the_cpu_recipe_trains(command, formulation, tiny_model_folder, question_file, tmp_path):
    small = ["--model", tiny_model_folder, "--data", question_file, "--max-steps", 1]
    result = command("train", formulation, "--config", CPU, *small, "--output", tmp_path)
    assert result.code == 0, result.err
    assert "nf4" in result.err
