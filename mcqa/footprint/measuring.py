"""Measure what training steps take, by taking some, in a process of its own.

Sizes of weights, adapter, gradients and optimizer come from the objects themselves. The rest is
what the process holds, on a GPU what PyTorch's allocator does.

The trap: a process that has imported PyTorch and trained holds several hundred megabytes whatever
the model. So a toy is trained first, by the same recipe; what the process holds after that is
the `baseline`, and is told apart. And the C library keeps freed memory for later, a good third of
what is in use; here it is told to give it back, so that what is measured is what PyTorch counts
on a GPU too: what is allocated, not what is reserved.
"""

import functools
import gc
import multiprocessing
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from datasets import Dataset
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, TrainerCallback

from mcqa.allocation import return_freed_memory
from mcqa.errors import RunError
from mcqa.footprint.plan import Plan, make_plan
from mcqa.footprint.step import (
    ACTIVATIONS,
    ADAPTER,
    GRADIENTS,
    OPTIMIZER,
    WEIGHTS,
    Shape,
    own_tensors,
    state_tensors,
    trainable,
    with_scales,
)
from mcqa.memory import PeakMemory, in_use
from mcqa.quiet import quiet_loading
from mcqa.training.arguments import trainer_arguments
from mcqa.training.config import TrainingConfig
from mcqa.training.schedules import recipe_callbacks
from mcqa.training.trainer import RecipeTrainer

TOY = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
TOY_SHAPE = Shape(batch_size=2, length=16, options=2, option_length=2)


def measure(formulation_name: str, config: TrainingConfig, shape: Shape, steps: int) -> dict:
    """Train for some steps in a process of its own and return what that took, in bytes.

    Args:
        formulation_name: `generative` or `multiple_choice`.
        config: the settings.
        shape: of every batch.
        steps: how many, from 2 on; the first has no optimizer with state from its beginning.

    Returns:
        As of `mcqa.footprint.predicting.predict`, without `at_peak`; `activations` is None on
        other systems than Linux and CUDA, and so is `total`. `baseline`: what the process held
        without the model, which is not in `total`.

    Raises:
        McqaError: the model cannot be loaded or trained.
        RunError: the process was ended from outside, as is usual where memory runs out.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            return pool.submit(_measure, formulation_name, config, shape, steps).result()
        except BrokenProcessPool as error:
            raise RunError(
                "the measuring process was ended by the system; most likely memory ran out. Make "
                "--batch-size or --length smaller, or leave out --measure."
            ) from error


def _measure(formulation_name: str, config: TrainingConfig, shape: Shape, steps: int) -> dict:
    plan = make_plan(formulation_name, config, shape, _say_nothing)
    with tempfile.TemporaryDirectory() as folder, quiet_loading():
        _train(_toy_plan(plan, Path(folder)), Path(folder), steps=2)
        baseline = _settled(plan.device)
        measured = _train(plan, Path(folder), steps)
    known = None not in (baseline, measured["total"])
    total = measured["total"] - baseline if known else None
    return measured | {"baseline": baseline, "total": total}


def _say_nothing(line: str) -> None:
    """Take a line that was said before, by the process that asks."""


def _toy_plan(plan: Plan, folder: Path) -> Plan:
    """Save a toy and return the plan of training it by the same recipe on the same device."""
    LlamaForCausalLM(LlamaConfig(**TOY)).save_pretrained(folder / "toy")
    config = TrainingConfig(
        model=str(folder / "toy"),
        batch_size=TOY_SHAPE.batch_size,
        **plan.config.model_dump(
            include={"recipe", "quantization", "dtype", "device", "objective", "optimizer"}
            | {"gradient_checkpointing"}
        ),
    )
    return make_plan(plan.formulation.NAME, config, TOY_SHAPE, _say_nothing)


def _train(plan: Plan, folder: Path, steps: int) -> dict:
    """Load, build and train, and return sizes; `total` includes what was held before."""
    load = functools.partial(
        plan.formulation.load_backbone,
        plan.path,
        head=plan.head,
        dtype=plan.config.dtype,
        device=plan.device,
    )
    backbone = load(quantization=plan.config.quantization)
    load_original = functools.partial(load, quantization="none")
    model, own = plan.build(backbone, load_original)
    weights = _bytes(with_scales(own))
    adapter = _bytes(with_scales(own_tensors(model))) - weights
    settings = plan.config.model_copy(update={"max_steps": steps, "epochs": 1.0})
    arguments = trainer_arguments(settings, folder, plan.device, plan.optimizer, False)
    arguments.save_strategy = "no"
    watch = Watch(steps)
    trainer = WatchedTrainer(
        watch=watch,
        scorer=None,
        questions=(),
        recipe=plan.config.recipe,
        recipe_settings=plan.config.recipe_settings(),
        model=model,
        args=arguments,
        data_collator=lambda examples: plan.objective.collate(examples, 1),
        callbacks=[
            watch,
            *recipe_callbacks(model, plan.config.recipe, plan.config.recipe_settings()),
        ],
        train_dataset=Dataset.from_list(plan.examples(plan.shape.batch_size * steps)),
    )
    trainer.remove_callback(PrinterCallback)
    _settled(plan.device)
    memory = PeakMemory(plan.device)
    trainer.train()
    return {WEIGHTS: weights, ADAPTER: adapter, **watch.sizes, "total": memory.bytes}


class Watch(TrainerCallback):
    """Look at gradients and optimizer while they are there."""

    def __init__(self, steps: int):
        self.steps = steps
        self.sizes = {GRADIENTS: 0, OPTIMIZER: 0, ACTIVATIONS: None}

    def on_pre_optimizer_step(self, args, state, control, model=None, **others):
        grads = [parameter.grad for parameter in trainable(model)]
        self.sizes[GRADIENTS] = _bytes(grad for grad in grads if grad is not None)

    def on_optimizer_step(self, args, state, control, optimizer=None, **others):
        self.sizes[OPTIMIZER] = _bytes(state_tensors(optimizer))


class WatchedTrainer(RecipeTrainer):
    """A Trainer that sees how much more is held after the last forward pass than before it.

    Args:
        watch: gets that number.
        others: as for `RecipeTrainer`.
    """

    def __init__(self, *, watch: Watch, **others):
        super().__init__(**others)
        self.watch = watch

    def compute_loss(self, *args, **kwargs):
        if self.state.global_step < self.watch.steps - 1:
            return super().compute_loss(*args, **kwargs)
        device = self.args.device.type
        before = _settled(device)
        loss = super().compute_loss(*args, **kwargs)
        if before is not None:
            self.watch.sizes[ACTIVATIONS] = _settled(device) - before
        return loss


def _bytes(tensors: Iterable[Tensor]) -> int:
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in tensors}
    return sum(storage.nbytes() for storage in storages.values())


def _settled(device: str) -> int | None:
    """Return the bytes in use, after what is free in the process went back to the system."""
    gc.collect()
    return_freed_memory()
    return in_use(device)
