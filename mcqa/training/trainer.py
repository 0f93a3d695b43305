"""A Trainer that measures validation accuracy, and keeps what recipes of every kind train."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import Trainer

from mcqa.checkpoints import TRAINED_FILE
from mcqa.encoding import EncodedQuestion
from mcqa.recipes.restarts import grown_tensors, set_grown_tensors
from mcqa.recipes.table import RECIPES
from mcqa.recipes.weights import load_tensors, trained_tensors
from mcqa.scoring import Scorer
from mcqa.training.schedules import jagged

# PEFT's checkpoints hold a LoRA or (IA)3 as it is, and neither AdaLoRA's nor ReLoRA's ranks.
PEFT_RESUMES = {n for n, r in RECIPES.items() if r.kept_by == "peft"} - {"adalora", "relora"}


class RecipeTrainer(Trainer):
    """Train by a recipe, and add `eval_accuracy` to every evaluation.

    Args:
        scorer: scores with the model as it stands; None leaves the accuracy out.
        questions: the labelled validation questions, encoded.
        recipe: name of the recipe that made the model.
        recipe_settings: its settings.
        others: as for `transformers.Trainer`.
    """

    def __init__(
        self,
        *,
        scorer: Scorer | None,
        questions: Sequence[EncodedQuestion],
        recipe: str,
        recipe_settings: dict,
        **others,
    ):
        model = others["model"]
        self.wrapped_by_peft = isinstance(model, PeftModel)
        if not self.wrapped_by_peft:
            # It takes quantized models with adapters only, and knows none but PEFT's.
            model._hf_peft_config_loaded = True
        super().__init__(**others)
        # For a causal LM the Trainer leaves the first label of each row out of its count. The
        # first token of a row never has a label, and the labels of `options` are no tokens.
        self._loss_shifts_labels = False
        self.scorer = scorer
        self.questions = questions
        self.recipe = recipe
        self.recipe_settings = recipe_settings

    def evaluate(self, *others, **more) -> dict[str, float]:
        metrics = super().evaluate(*others, **more)
        if self.scorer is not None:
            # Weights that train are float32 in a model that may compute in bfloat16.
            mixed = (
                contextlib.nullcontext() if self.wrapped_by_peft else self.accelerator.autocast()
            )
            with mixed:
                predictions = self.scorer.score_encoded(self.questions, self.args.eval_batch_size)
            right = sum(prediction.correct for prediction in predictions)
            metrics["eval_accuracy"] = right / len(predictions)
            self.log({"eval_accuracy": metrics["eval_accuracy"]})
        return metrics

    def create_scheduler(self, num_training_steps: int, optimizer=None):
        scheduler = super().create_scheduler(num_training_steps, optimizer)
        if self.recipe == "relora":
            every, warmup = (self.recipe_settings[f"relora_{k}"] for k in ("steps", "warmup"))
            scheduler.lr_lambdas = [jagged(f, every, warmup) for f in scheduler.lr_lambdas]
        return scheduler

    def _save(self, output_dir=None, state_dict=None) -> None:
        if self.recipe in PEFT_RESUMES:
            super()._save(output_dir, state_dict)
            return
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = trained_tensors(self.model) | grown_tensors(self.model)
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(tensors, folder / TRAINED_FILE, metadata={"format": "pt"})

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None) -> None:
        if self.recipe in PEFT_RESUMES:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            self._load_trained(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        if self.recipe in PEFT_RESUMES:
            super()._load_best_model()
        else:
            self._load_trained(self.state.best_model_checkpoint)

    def _load_trained(self, folder: str) -> None:
        tensors = load_file(Path(folder) / TRAINED_FILE)
        load_tensors(self.model, set_grown_tensors(self.model, tensors))
