"""Foretell what a training step takes, from a model's configuration alone."""

import torch

from mcqa.footprint.dry import DryLedger, empty_backbone, fake_mode, move
from mcqa.footprint.ledger import TEMPORARY, Ledger
from mcqa.footprint.plan import Plan
from mcqa.footprint.step import ADAPTER, WEIGHTS, book_step, own_tensors, with_scales
from mcqa.system.quiet import quiet_loading
from mcqa.training.optimizers import make_optimizer


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
    optimizer, batch = optimizer_of(plan, model), plan.batch()
    with mode, DryLedger() as ledger:
        return book(plan, model, own, optimizer, batch, ledger)


def optimizer_of(plan: Plan, model) -> torch.optim.Optimizer:
    """Return the optimizer that training would take."""
    config = plan.config
    rates = {"learning_rate": config.learning_rate, "weight_decay": config.weight_decay}
    return make_optimizer(model, plan.optimizer, **rates)


def book(plan: Plan, model, own, optimizer, batch, ledger: Ledger) -> dict:
    """Take a training step of a built model, on tensors of either kind; see `predict`.

    Args:
        plan: what was built.
        model, own: from `Plan.build`.
        optimizer: from `optimizer_of`.
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
