"""ReLoRA: LoRA that is merged and started anew, so that many low ranks add up to a high one.

What is merged does not go into the backbone but into a frozen part of the same LoRA, which grows
by r with every restart: the function is the same, a 4-bit backbone is not rounded again, and the
result is a plain LoRA of rank r * (restarts + 1). The price is that rank's file and forward.

Source: Lialin et al. (2023), arXiv 2307.05695, algorithm 1.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mcqa.models.adapters import add_lora

ADAPTER = "default"


class Grown(nn.Linear):
    """A linear layer whose trainable weight continues a frozen one, `before`, in `dim`."""

    def __init__(self, weight: nn.Parameter, before: Tensor, dim: int):
        super().__init__(weight.shape[1], weight.shape[0], bias=False, device="meta")
        self.weight = weight
        self.dim = dim
        self.register_buffer("before", before)

    def whole(self) -> Tensor:
        """Return the frozen and the trainable ranks as one weight."""
        return torch.cat((self.before.to(self.weight.dtype), self.weight), dim=self.dim)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.whole())


def add_relora(model, *, relora_steps: int = 0, relora_warmup: int = 0, **settings):
    """Add LoRA that can be restarted, at the steps that `mcqa.training.schedules` takes care of."""
    lora = add_lora(model, **settings)
    for side, dim in _sides(lora):
        weight = side[ADAPTER].weight
        side[ADAPTER] = Grown(weight, weight.detach().narrow(dim, 0, 0).clone(), dim)
    return lora


def go_on(lora, r: int):
    """Let a finished run train on: what it learned is frozen, and r new ranks start beside it."""
    for side, dim in _sides(lora):
        before = side[ADAPTER].weight.detach()
        size = (r, before.shape[1]) if dim == 0 else (before.shape[0], r)
        side[ADAPTER] = Grown(nn.Parameter(before.new_empty(size)), before, dim)
    _start(lora)
    return lora


def _start(lora) -> None:
    for layer in lora_layers(lora):
        nn.init.kaiming_uniform_(layer.lora_A[ADAPTER].weight, a=math.sqrt(5))
        nn.init.zeros_(layer.lora_B[ADAPTER].weight)


def lora_layers(model) -> list[nn.Module]:
    """Return the layers that LoRA adapts."""
    return [module for module in model.modules() if hasattr(module, "lora_A")]


def _sides(lora) -> list[tuple[nn.ModuleDict, int]]:
    """Return A and B of every layer, and in which dimension each has the ranks."""
    layers = lora_layers(lora)
    return [pair for layer in layers for pair in ((layer.lora_A, 0), (layer.lora_B, 1))]


@torch.no_grad()
def restart(model) -> list[nn.Parameter]:
    """Freeze what LoRA has learned and start it anew beside that, which changes no output.

    Returns:
        The parameters that started anew; what an optimizer knows of them is out of date.
    """
    sides = [side[ADAPTER] for side, _ in _sides(model)]
    for side in sides:
        side.before = side.whole()
    _start(model)
    return [side.weight for side in sides]


def grown_tensors(model) -> dict[str, Tensor]:
    """Return the frozen ranks by name, for a checkpoint."""
    modules = model.named_modules()
    return {f"{name}.before": m.before for name, m in modules if isinstance(m, Grown)}


def set_grown_tensors(model, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the frozen ranks out of a checkpoint's tensors, and return the others."""
    others = dict(tensors)
    for name, before in grown_tensors(model).items():
        module = model.get_submodule(name.removesuffix(".before"))
        module.before = others.pop(name).to(before.device)
    return others


@torch.no_grad()
def finish_restarts(model):
    """Make plain LoRA of the grown one, with its rank, and say so in its configuration."""
    config = model.active_peft_config
    for side, _ in _sides(model):
        weight = side[ADAPTER].whole()
        side[ADAPTER] = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
        side[ADAPTER].weight = nn.Parameter(weight)
    for layer in lora_layers(model):
        rank = layer.lora_A[ADAPTER].out_features
        # The scale stays: alpha / r, or alpha / sqrt(r), of the rank that trained.
        growth = rank / config.r
        alpha = config.lora_alpha * (math.sqrt(growth) if config.use_rslora else growth)
        layer.r[ADAPTER], layer.lora_alpha[ADAPTER] = rank, alpha
        layer.scaling[ADAPTER] = alpha / (math.sqrt(rank) if config.use_rslora else rank)
    config.r, config.lora_alpha = rank, alpha
    return model
