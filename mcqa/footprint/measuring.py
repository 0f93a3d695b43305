"""Measure what training steps take, by taking some, in a process of its own.

The trap: a process that has trained holds several hundred megabytes whatever the model. So a toy is
trained first, by the same recipe; what is held then is the `baseline`. And what is freed goes back
to the system: measured is what is allocated, not what is reserved.
"""

import functools
import gc
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from torch.nn.utils import clip_grad_norm_
from transformers import LlamaConfig, LlamaForCausalLM

from mcqa.errors import RunError
from mcqa.footprint.plan import Plan, Shape, of_training
from mcqa.models.backbones import checkpoint_activations
from mcqa.system.allocation import return_freed_memory
from mcqa.system.memory import PeakMemory, in_use
from mcqa.system.quiet import quiet_loading
from mcqa.training.config import TrainingConfig
from mcqa.training.devices import Machine
from mcqa.training.loop import LARGEST_NORM, loss_of
from mcqa.training.schedules import on_the_way

TOY = {"vocab_size": 64, "hidden_size": 64, "intermediate_size": 128}
TOY |= {"num_hidden_layers": 2, "num_attention_heads": 4}
AS_GIVEN = {"recipe", "quantization", "dtype", "device", "objective", "optimizer"}
AS_GIVEN.add("gradient_checkpointing")


def measure(formulation: str, config: TrainingConfig, shape: Shape, steps: int) -> dict:
    """Train for some steps, from 2 on, in a process of its own; return what that took, in bytes.

    Returns:
        As `estimate`, without `at_peak`; `activations` and `total` are None but on Linux and CUDA.
        `baseline`: what the process held without the model, which is not in `total`.

    Raises:
        McqaError: the model cannot be loaded or trained, or memory ran out.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_measure, formulation, config, shape, steps).result()
        except BrokenProcessPool as error:
            raise RunError(
                "the measuring process was ended by the system; most likely memory ran out. Make "
                "--batch-size or --length smaller, or leave out --measure."
            ) from error


def _measure(formulation: str, config: TrainingConfig, shape: Shape, steps: int) -> dict:
    unheard = [].append  # of what the process that asks has said
    plan, alike = Plan(formulation, config, shape, unheard), config.model_dump(include=AS_GIVEN)
    with tempfile.TemporaryDirectory() as folder, quiet_loading():
        LlamaForCausalLM(LlamaConfig(**TOY)).save_pretrained(folder)
        toy = TrainingConfig(model=folder, batch_size=2, **alike)
        _train(Plan(formulation, toy, Shape(2, 16, 2, 2), unheard), steps=2)
        baseline, sizes = _settled(plan.device), _train(plan, steps)
    total = None if None in (baseline, sizes["total"]) else sizes["total"] - baseline
    return sizes | {"baseline": baseline, "total": total}


def _train(plan: Plan, steps: int) -> dict:
    """Load, build and train, and return sizes; `total` includes what was held before."""
    config, device = plan.config, plan.device
    load = functools.partial(
        plan.formulation.load_backbone, plan.path, head=plan.head, dtype=config.dtype, device=device
    )
    original = functools.partial(load, quantization="none")
    model, sizes = plan.build(load(quantization=config.quantization), original)
    if config.gradient_checkpointing:
        checkpoint_activations(model)
    model.config.use_cache = False
    optimizer, machine = plan.make_optimizer(model), Machine(device, plan.dtype)
    recipe = on_the_way(model, config.recipe, config.recipe_settings())
    recipe.begin(0, steps, 1)
    memory = PeakMemory(device)
    for step in range(steps):
        before = _settled(device)
        with machine.mixed():
            loss = loss_of(model, plan.batch)
        sizes["activations"] = None if before is None else _settled(device) - before
        machine.backward(loss)
        clip_grad_norm_(model.parameters(), LARGEST_NORM)
        optimizer.step()
        sizes.update(of_training(optimizer))
        recipe.moved(step)
        optimizer.zero_grad()
        recipe.taken(step + 1, optimizer)
    return sizes | {"total": memory.bytes}


def _settled(device: str) -> int | None:
    """Return the bytes in use, after what is free in the process went back to the system."""
    gc.collect()
    return_freed_memory()
    return in_use(device)
