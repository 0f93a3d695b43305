"""Recipes that train weights the model has, or modules put behind its layers.

What is trained is what `requires_grad` says, in a run's file as in the model, in float32 whatever
the model computes in: a step of bfloat16 is larger than most updates. Modules are put behind a
layer with a hook, so that the names of the model's weights stay as they were.
"""

import functools
from collections.abc import Iterable, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from heads.alignment import aligned
from mcqa.errors import ConfigError
from mcqa.models.adapters import head_names

BIAS, BOTTLENECK = "added_bias", "bottleneck"


def train_all(model):
    """Train every weight of a model that is not quantized."""
    _check_unquantized(model)
    return _train(model, model.parameters())


def train_top_layers(model, *, top_layers: int):
    """Train the last `top_layers` layers of the decoder of a model that is not quantized."""
    _check_unquantized(model)
    layers = decoder_layers(model)
    if top_layers > len(layers):
        raise ConfigError(f"top_layers {top_layers}: this model has {len(layers)} layers.")
    return _train(model, layers[-top_layers:].parameters())


def _check_unquantized(model) -> None:
    if getattr(model, "hf_quantizer", None) is not None:
        raise ConfigError(
            "the recipes 'full' and 'top-layers' train and keep the weights themselves, and this "
            "model is quantized: load it with quantization none, from weights that are not."
        )


def decoder_layers(model) -> nn.ModuleList:
    """Return a model's layers, an encoder-decoder's decoder's; ConfigError where it has none."""
    trunk = model.get_decoder() if model.config.is_encoder_decoder else model.base_model
    lists = [module for module in trunk.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ConfigError(f"{type(model).__name__} has no list of layers to choose from.")
    return max(lists, key=len)


def train_biases(model):
    """Train the biases; where a model has none, add zero ones to its linear layers."""
    trunk = model.base_model
    biases = [p for name, p in trunk.named_parameters() if name.split(".")[-1] == "bias"]
    if not biases:
        for layer in [module for module in trunk.modules() if isinstance(module, nn.Linear)]:
            biases += _put_behind(layer, BIAS, AddedBias(layer.out_features))
    return _train(model, biases)


def train_norms(model):
    """Train the layer norms."""
    return _train(model, (p for norm in _norms(model.base_model) for p in norm.parameters(False)))


def add_bottlenecks(model, *, bottleneck_size: int, bottleneck_modules: Sequence[str]):
    """Put a trainable bottleneck behind the layers of these names."""
    wanted = tuple(bottleneck_modules)
    layers = [m for name, m in model.base_model.named_modules() if name.split(".")[-1] in wanted]
    if not layers:
        raise ConfigError(
            f"bottleneck_modules {', '.join(wanted)}: the model has no such layer; name the ones "
            "that end its attention and its MLP."
        )
    added = []
    for layer in layers:
        width = layer.out_features if isinstance(layer, nn.Linear) else layer.nf
        added += _put_behind(layer, BOTTLENECK, Bottleneck(width, bottleneck_size))
    return _train(model, added)


class AddedBias(nn.Module):
    """Add a bias, at first 0, to the hidden states."""

    def __init__(self, width: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.bias


class Bottleneck(nn.Module):
    """Add what a narrow layer makes of the hidden states: x + up(gelu(down(x))), at first nothing.

    Source: Houlsby et al. (2019), figure 2.
    """

    def __init__(self, width: int, size: int):
        super().__init__()
        self.down = nn.Linear(width, size)
        self.up = nn.Linear(size, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.up(nn.functional.gelu(self.down(hidden)))


ADDED = (AddedBias, Bottleneck)


def has_additions(model) -> bool:
    """Say whether modules stand behind layers, which no plain model of transformers has."""
    return any(isinstance(module, ADDED) for module in model.modules())


def _put_behind(layer: nn.Module, name: str, module: nn.Module) -> list[nn.Parameter]:
    """Let a module change what a layer returns, and return the module's parameters."""
    layer.add_module(name, module.to(layer.weight.device))
    layer.register_forward_hook(functools.partial(_run_behind, name))
    return list(module.parameters())


def _run_behind(name: str, layer: nn.Module, inputs, output: Tensor) -> Tensor:
    return layer.get_submodule(name)(output.float()).to(output.dtype)


def _train(model, parameters: Iterable[nn.Parameter]):
    """Let parameters take gradients, and those of the head."""
    of_head = [model.get_submodule(name).parameters() for name in head_names(model)]
    for parameter in chain(parameters, *of_head):
        parameter.requires_grad_(True)
    return model


def trained_tensors(model) -> dict[str, Tensor]:
    """Return what a model was trained in, by name: the parameters that take gradients."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def raise_precision(model):
    """Make the parameters that train float32."""
    for parameter in _raised(model):
        parameter.data = parameter.data.float()
    return model


def _raised(model) -> list[nn.Parameter]:
    """Return what trains, and the rest of each layer norm of it, which must be of one type."""
    raised = [p for p in model.parameters() if p.requires_grad]
    for norm in _norms(model):
        own = list(norm.parameters(recurse=False))
        if any(p.requires_grad for p in own):
            raised += [p for p in own if not p.requires_grad]
    return raised


def _norms(model) -> list[nn.Module]:
    return [module for module in model.modules() if "norm" in type(module).__name__.lower()]


def lower_precision(model, dtype: torch.dtype):
    """Round trained weights to what the model computes in; head and what was added stay float32.

    A model with weights of two types computes nothing without autocast.
    """
    kept = [m for m in model.modules() if isinstance(m, ADDED)]
    kept += [model.get_submodule(name) for name in head_names(model)]
    stays = {id(p) for module in kept for p in module.parameters()}
    for parameter in _raised(model):
        if id(parameter) not in stays:
            parameter.data = parameter.data.to(dtype)
    return model


@torch.no_grad()
def load_tensors(model, tensors: dict[str, Tensor]) -> None:
    """Give the parameters that train these tensors, or raise ValueError where they do not fit.

    Nothing is written into the old ones: other models may share them (`mcqa.models.sharing`).
    """
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if odd := sorted(parameters.keys() ^ tensors.keys()):
        raise ValueError(f"{len(odd)} tensors are missing or too many, {odd[0]} among them.")
    for name, parameter in parameters.items():
        if parameter.shape != tensors[name].shape:
            raise ValueError(
                f"{name} has shape {tuple(tensors[name].shape)}, must be {tuple(parameter.shape)}."
            )
        parameter.data = aligned(tensors[name].to(parameter.device, parameter.dtype))
