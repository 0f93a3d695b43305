"""Estimate what a training step takes, from a model's configuration alone.

Weights, adapter, gradients and the optimizer's state are counted on a model without storage. What
the forward pass keeps is counted on real ones of two depths, full width and all zeros, and drawn on
in a straight line to all layers. What is there for a moment only is arithmetic, and what a CPU's
kernels and modules take besides a number once measured.
"""

import tempfile
from dataclasses import replace

import torch

from heads.small_copy import DEPTHS
from mcqa.footprint.empty import build_empty
from mcqa.footprint.plan import Plan, of_training, own_tensors, storages
from mcqa.models.backbones import load_config
from mcqa.system.quiet import quiet_loading
from mcqa.training.devices import Machine
from mcqa.training.loop import loss_of

STACKS = (*DEPTHS, "num_decoder_layers", "encoder_layers", "decoder_layers")
# Bytes of code and scratch space of kernels, and of modules, in a process on a CPU: 34 to 62 MB.
BESIDE_TENSORS = 50_000_000
# What an optimizer makes of the size of the gradient that it takes, while it does.
COPIES = {"adamw_torch": 2, "adamw_8bit": 3, "paged_adamw_8bit": 0, "paged_adamw_32bit": 0}


def estimate(plan: Plan) -> dict:
    """Return what a training step would take, in bytes.

    Returns:
        `weights`, `adapter`, `gradients`, `optimizer`; `activations`: what the forward pass keeps
        for the backward pass; `at_peak`: how much of each, and of `temporaries`, is there at the
        highest moment of a step; `total`: the sum of that.

    Raises:
        McqaError: the recipe does not go with the model.
    """
    with quiet_loading():
        model, sizes = build_empty(plan, "meta")
        optimizer = plan.make_optimizer(model)
        gradients = []
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad.nbytes)
        optimizer.step()
        sizes |= of_training(optimizer)
        depth = model.config.get_text_config().num_hidden_layers
        sizes["activations"], layer, largest = _activations(plan, depth)
    again = layer if plan.config.gradient_checkpointing else 0
    moments = (  # the backward pass begins, it ends, the optimizer steps
        {"gradients": 0, "temporaries": 2 * largest + again},
        {"activations": layer, "temporaries": 2 * largest},
        {"activations": 0, "temporaries": COPIES[plan.optimizer] * max(gradients)},
    )
    at_peak = max((sizes | moment for moment in moments), key=lambda parts: sum(parts.values()))
    at_peak["temporaries"] += BESIDE_TENSORS if plan.device == "cpu" else 0
    return sizes | {"at_peak": at_peak, "total": sum(at_peak.values())}


def _activations(plan: Plan, depth: int) -> tuple[int, int, int]:
    """Return the bytes that a forward pass keeps, a layer without checkpointing, and a tensor."""
    fewest = plan.config.top_layers if plan.config.recipe == "top-layers" else 1
    plain, more = (_kept(plan, layers, checkpointing=False) for layers in (fewest, fewest + 1))
    first, second = sum(plain), sum(more)
    layer = second - first
    if plan.config.gradient_checkpointing:
        first, second = (sum(_kept(plan, n, checkpointing=True)) for n in (fewest, fewest + 1))
    return first + (depth - fewest) * (second - first), layer, max(plain)


def _kept(plan: Plan, layers: int, *, checkpointing: bool) -> list[int]:
    """Return the bytes of each piece of memory that the forward pass of so many layers keeps."""
    config, kept = load_config(plan.path), {}
    with tempfile.TemporaryDirectory() as folder:
        type(config).from_dict(_cut(config.to_dict(), layers)).save_pretrained(folder)
        model, _ = build_empty(replace(plan, path=folder), plan.device)
    model.config.use_cache = False
    if checkpointing:  # reentrant: the other kind shows its layers' inputs to no hook
        model.activation_checkpointing_enable({"use_reentrant": True})

    def keep(tensor: torch.Tensor) -> None:
        kept.update(storages([tensor]))

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda nothing: nothing)
    with hooks, Machine(plan.device, plan.dtype).mixed():
        loss_of(model, plan.batch)
    return [kept[each].nbytes() for each in kept.keys() - storages(own_tensors(model))]


def _cut(settings: dict, layers: int) -> dict:
    """Return the settings of a configuration with so many layers, the first ones."""
    depth = max((settings[name] or 0 for name in STACKS if name in settings), default=0)
    cut = {}
    for name, value in settings.items():
        if isinstance(value, dict) and "model_type" in value:
            value = _cut(value, layers)
        elif name in STACKS:
            value = layers
        elif isinstance(value, list) and len(value) == depth:
            value = value[:layers]
        cut[name] = value
    return cut
