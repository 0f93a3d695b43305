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

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from mcqa.errors import RunError
from mcqa.footprint.plan import Plan, make_plan
from mcqa.footprint.predicting import optimizer_of
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
from mcqa.system.allocation import return_freed_memory
from mcqa.system.memory import PeakMemory, in_use
from mcqa.system.quiet import quiet_loading
from mcqa.training.config import TrainingConfig
from mcqa.training.devices import Machine
from mcqa.training.loop import LARGEST_NORM, loss_of
from mcqa.training.schedules import on_the_way

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
        _train(_toy_plan(plan, Path(folder)), steps=2)
        baseline = _settled(plan.device)
        measured = _train(plan, steps)
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


def _train(plan: Plan, steps: int) -> dict:
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
    if plan.config.gradient_checkpointing:
        model.activation_checkpointing_enable()
    model.config.use_cache = False
    optimizer = optimizer_of(plan, model)
    _settled(plan.device)
    memory = PeakMemory(plan.device)
    sizes = _take_steps(plan, model, optimizer, steps)
    return {WEIGHTS: weights, ADAPTER: adapter, **sizes, "total": memory.bytes}


def _take_steps(plan: Plan, model, optimizer, steps: int) -> dict:
    """Take some steps, and look at gradients and optimizer while they are there."""
    machine, activations = Machine(plan.device, plan.dtype), None
    recipe = on_the_way(model, plan.config.recipe, plan.config.recipe_settings())
    recipe.begin(0, steps, 1)
    model.train()
    for step in range(steps):
        batch = plan.batch()
        before = _settled(plan.device) if step == steps - 1 else None
        with machine.mixed():
            loss = loss_of(model, batch)
        if before is not None:
            activations = _settled(plan.device) - before
        machine.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_NORM)
        gradients = _bytes(p.grad for p in trainable(model) if p.grad is not None)
        optimizer.step()
        recipe.moved(step)
        optimizer.zero_grad()
        recipe.taken(step + 1, optimizer)
    return {
        GRADIENTS: gradients,
        OPTIMIZER: _bytes(state_tensors(optimizer)),
        ACTIVATIONS: activations,
    }


def _bytes(tensors: Iterable[Tensor]) -> int:
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in tensors}
    return sum(storage.nbytes() for storage in storages.values())


def _settled(device: str) -> int | None:
    """Return the bytes in use, after what is free in the process went back to the system."""
    gc.collect()
    return_freed_memory()
    return in_use(device)
