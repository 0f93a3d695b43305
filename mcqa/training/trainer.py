"""A Trainer that measures validation accuracy, and keeps what recipes of every kind train.

Its batches are those of `mcqa.training.batches`, in one process as in several, and the validation
loss is the mean over all labels of all questions: how they are batched does not show.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput

from mcqa import distributed
from mcqa.checkpoints import TRAINED_FILE
from mcqa.encoding import EncodedQuestion
from mcqa.formulations.objectives import IGNORED
from mcqa.recipes.low_rank import importance_tensors, set_importance_tensors
from mcqa.recipes.restarts import grown_tensors, set_grown_tensors
from mcqa.recipes.table import RECIPES
from mcqa.recipes.weights import load_tensors, trained_tensors
from mcqa.scoring import Scorer
from mcqa.training.batches import SharedBatches
from mcqa.training.schedules import jagged

# PEFT's checkpoints hold a LoRA or (IA)3 as it is, and neither AdaLoRA's nor ReLoRA's ranks, nor
# what AdaLoRA knows of their importance.
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

    def get_train_dataloader(self) -> DataLoader:
        return self._loader(self.train_dataset, self.args.gradient_accumulation_steps)

    def get_eval_dataloader(self, eval_dataset=None) -> DataLoader:
        return self._loader(eval_dataset or self.eval_dataset, 1)

    def _loader(self, dataset, accumulation: int) -> DataLoader:
        batches = SharedBatches(
            dataset["length"],
            self.args.per_device_train_batch_size,
            accumulation=accumulation,
            seed=self.args.seed,
            count=self.args.world_size,
            index=self.args.process_index,
        )

        def collate(examples: Sequence[dict]) -> dict[str, torch.Tensor]:
            if examples:
                return self.data_collator(examples)
            empty = self.data_collator([dataset[0]])
            return empty | {"labels": torch.full_like(empty["labels"], IGNORED)}

        return DataLoader(
            dataset,
            batch_sampler=batches,
            collate_fn=collate,
            pin_memory=self.args.dataloader_pin_memory,
            generator=torch.Generator(),  # what it draws is nobody else's
        )

    def _run_epoch(self, *, epoch: int, train_dataloader: DataLoader, **others):
        train_dataloader.batch_sampler.set_epoch(epoch)
        return super()._run_epoch(epoch=epoch, train_dataloader=train_dataloader, **others)

    def compute_loss(self, model, inputs, *others, **more):
        labels = inputs["labels"]
        if (labels != IGNORED).any():
            return super().compute_loss(model, inputs, *others, **more)
        # An empty share: a zero that reaches every parameter, for the other processes wait for it.
        inputs = inputs | {"labels": labels.clamp(min=0)}
        return 0 * super().compute_loss(model, inputs, *others, **more)

    def evaluation_loop(self, dataloader, description, *, metric_key_prefix="eval", **others):
        self.model_wrapped.eval()
        total = labels = 0
        for batch in dataloader:
            inputs = self._prepare_inputs(batch)
            n = inputs["labels"].ne(IGNORED).sum().item()
            with torch.no_grad():
                total += n * self.compute_loss(self.model_wrapped, inputs).item()
            labels += n
        totals, counts = zip(*distributed.gather((total, labels)), strict=True)
        metrics = {f"{metric_key_prefix}_loss": sum(totals) / sum(counts)}
        return EvalLoopOutput(None, None, metrics, len(dataloader.dataset))

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
        if not self.args.should_save:
            return
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = trained_tensors(self.model)
        tensors |= grown_tensors(self.model) | importance_tensors(self.model)
        if state_dict:  # gathered from shards
            tensors = {name: state_dict[name] for name in tensors}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(tensors, folder / TRAINED_FILE, metadata={"format": "pt"})

    def _save_rng_state(self, output_dir) -> None:
        super()._save_rng_state(output_dir)
        distributed.wait()  # a checkpoint is whole once its state is written, which comes next

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
        # In a file they start at any multiple of 8 bytes, where some processors' products round in
        # another way than in memory of their own.
        tensors = {n: t.clone() for n, t in load_file(Path(folder) / TRAINED_FILE).items()}
        tensors = set_importance_tensors(self.model, set_grown_tensors(self.model, tensors))
        load_tensors(self.model, tensors)
