"""Foretell what a training step takes, from a model's configuration alone."""

from pathlib import Path

import torch
from transformers import Trainer

from mcqa.footprint.dry import DryLedger, empty_backbone, fake_mode, move
from mcqa.footprint.ledger import TEMPORARY, Ledger
from mcqa.footprint.plan import Plan
from mcqa.footprint.step import ADAPTER, WEIGHTS, book_step, own_tensors, trainable, with_scales
from mcqa.quiet import quiet_loading
from mcqa.training.arguments import trainer_arguments


def predict(plan: Plan) -> dict:
    """Run a training step without storage and return what it would take, in bytes.

    Returns:
        `weights`, `adapter`, `gradients`, `optimizer`; `activations`: what the forward pass keeps
        for the backward pass; `at_peak`: how much of each, and of `temporaries`, is there at the
        highest moment of a step; `total`: the sum of that.

    Raises:
        McqaError: the recipe does not go with the model.
    """
    with quiet_loading():
        backbone = empty_backbone(
            plan.formulation,
            plan.path,
            head=plan.head,
            quantization=plan.config.quantization,
            dtype=plan.dtype,
            device=plan.device,
        )
        with torch.device("meta"):
            model, own = plan.build(backbone)
    mode = fake_mode()
    with mode:
        moved = move(model, plan.device)
    own = [moved.get(id(tensor), tensor) for tensor in own]
    optimizer, batch = make_optimizer(plan, model), plan.batch()
    with mode, DryLedger() as ledger:
        return book(plan, model, own, optimizer, batch, ledger)


def make_optimizer(plan: Plan, model) -> torch.optim.Optimizer:
    """Return the optimizer that the Trainer would take."""
    arguments = trainer_arguments(plan.config, Path(), plan.device, plan.optimizer, False)
    optimizer_class, settings = Trainer.get_optimizer_cls_and_kwargs(arguments)
    optimizer = optimizer_class(trainable(model), **settings)
    if settings.get("optim_bits") == 8:
        _spare_embeddings(optimizer, model)
    return optimizer


def _spare_embeddings(optimizer, model) -> None:
    """Let the state of embeddings have 32 bits, as the Trainer does.

    The Trainer tells that to a manager that all optimizers of the process share; this one gets a
    manager of its own.
    """
    from bitsandbytes.optim import GlobalOptimManager

    optimizer.mng = GlobalOptimManager.__new__(GlobalOptimManager)
    optimizer.mng.initialize()
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            optimizer.mng.register_module_override(module, "weight", {"optim_bits": 32})


def book(plan: Plan, model, own, optimizer, batch, ledger: Ledger) -> dict:
    """Take a training step of a built model, on tensors of either kind; see `predict`.

    Args:
        plan: what was built.
        model, own: from `Plan.build`.
        optimizer: from `make_optimizer`.
        batch: from `Plan.batch`.
        ledger: entered.
    """
    sizes = {WEIGHTS: ledger.label(WEIGHTS, with_scales(own))}
    sizes[ADAPTER] = ledger.label(ADAPTER, with_scales(own_tensors(model)))
    if plan.config.gradient_checkpointing:
        model.activation_checkpointing_enable()
    start, sizes_of_step = book_step(model, batch, optimizer, ledger, plan.dtype)
    sizes |= sizes_of_step
    highest = ledger.peak(start)
    at_peak = {part: highest[part] for part in (*sizes, TEMPORARY)}
    return sizes | {"at_peak": at_peak, "total": highest.total()}
