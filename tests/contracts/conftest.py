"""Train every formulation with every quantization once, on the tiny model, a few full batches."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from mcqa.formulations import NAMES, get_formulation
from mcqa.models.recipes.table import RECIPES
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import get_template
from mcqa.runs.training_folder import LOG_FILE
from mcqa.training import run
from mcqa.training.config import TrainingConfig

STEPS = 8


@pytest.fixture(scope="session")
def question_file(tiny_questions, tmp_path_factory):
    """The tiny questions as the JSON lines a user would bring."""
    path = tmp_path_factory.mktemp("data") / "questions.jsonl"
    rows = [
        {
            "id": q.id,
            "question": q.stem,
            "choices": list(q.options),
            "label": q.label,
            "context": q.context,
        }
        for q in tiny_questions
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def tiny_training(tiny_model_folder, question_file, tmp_path_factory):
    """Train a tiny run; return its folder, record, log and the model as training left it."""

    def train(formulation, **settings):
        defaults = {
            "model": str(tiny_model_folder),
            "data": str(question_file),
            "output": str(tmp_path_factory.mktemp("runs") / "run"),
            "device": "cpu",
            "quantization": "none",
            "dtype": "float32",
            "optimizer": "adamw_torch",
            "learning_rate": 1e-2,
            "warmup_steps": 0,
            "lora_r": 4,
            "batch_size": 36,
            "max_steps": STEPS,
            "steps_between": 1,
        }
        if "lora_r" not in RECIPES[settings.get("recipe", "qlora")].settings:
            del defaults["lora_r"]
        config = TrainingConfig(**defaults | settings)
        kept = {}

        def keep(folder, model, tokenizer, *rest):
            kept.update(model=model, tokenizer=tokenizer)
            return save_run(folder, model, tokenizer, *rest)

        save_run = run.save_run
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run, "save_run", keep)
            lines = []
            record = run.train(formulation, config, announce=lines.append)
        log_lines = (Path(config.output) / LOG_FILE).read_text().splitlines()
        log = [json.loads(line) for line in log_lines]
        return SimpleNamespace(
            config=config,
            folder=config.output,
            record=record,
            lines=lines,
            losses=[entry["loss"] for entry in log if "loss" in entry],
            validation_losses=[entry["eval_loss"] for entry in log if "eval_loss" in entry],
            formulation=get_formulation(formulation),
            model=kept["model"],
            tokenizer=kept["tokenizer"],
            encoder=Encoder(kept["tokenizer"], get_template(config.template), record["max_length"]),
        )

    return train


BACKBONES = {
    "nf4": {"quantization": "nf4", "dtype": "auto", "optimizer": "adamw_8bit"},
    "int8": {"quantization": "int8", "dtype": "auto"},
    "none": {},
}


@pytest.fixture(scope="session", params=NAMES)
def formulation_name(request):
    return request.param


@pytest.fixture(scope="session", params=BACKBONES)
def trained(request, formulation_name, tiny_training):
    """One finished run of a formulation and a quantization."""
    return tiny_training(formulation_name, **BACKBONES[request.param])
