"""4-bit layers on a CPU: the weights that training sees, and no detours where nothing is learned.

In evaluation mode on CPUs with AVX512-BF16 bitsandbytes (0.50) packs a layer's weights anew at its
first forward pass: it rounds the block scales to bfloat16, and from then on the layer passes no
gradient, so an evaluation in mid-training would end the learning. It is also several times slower.
Where no gradient is wanted this layer takes the steps of bitsandbytes' plain way, to the last bit.
"""

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit as BitsAndBytesLinear4bit
from torch import Tensor


class Linear4bit(BitsAndBytesLinear4bit):
    """A 4-bit layer of bitsandbytes on a CPU, on the weights of another.

    Attributes:
        kept: the weight that it computes with, where it is kept; see `keep_weights`.
    """

    kept: Tensor | None = None

    def __init__(self, layer: BitsAndBytesLinear4bit):
        sizes = layer.in_features, layer.out_features
        super().__init__(*sizes, compute_dtype=layer.compute_dtype, device="meta")
        self.support_avx512bf16_for_cpu = False
        self.compute_type_is_set = layer.compute_type_is_set
        self.quant_state, self.quant_storage = layer.quant_state, layer.quant_storage
        self.weight, self.bias = layer.weight, layer.bias
        self.weight.module = self  # where a move between devices leaves the scales
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """Return the product (..., N) of an input (..., K), in its dtype."""
        state = getattr(self.weight, "quant_state", None)
        learning = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")
        if learning or state is None or x.numel() == 0:
            return super().forward(x)
        dtype = self.compute_dtype or x.dtype
        weight = self.dequantized(dtype) if self.kept is None else self.kept
        bias = None if self.bias is None else self.bias.to(dtype)
        return F.linear(x.to(dtype), weight, bias).to(x.dtype)

    def dequantized(self, dtype: torch.dtype) -> Tensor:
        """Return the weight (N, K) that it computes with."""
        state = self.weight.quant_state
        if state.dtype != dtype:
            state = copy.copy(state)
            state.dtype = dtype
        return dequantize_4bit(self.weight.data, state)


def use_plain_layers(model: torch.nn.Module) -> None:
    """Put such a layer in the place of every 4-bit layer of a model on a CPU."""
    for name, module in list(model.named_modules()):
        if type(module) is BitsAndBytesLinear4bit:
            model.set_submodule(name, Linear4bit(module))


def keep_weights(models: Iterable[torch.nn.Module]) -> None:
    """Keep what 4-bit layers on a CPU compute with, which they else make at each forward pass.

    No bit of a result changes. It takes the memory of the layers unquantized, of models that share
    their weights once; where a layer computes in the type of its input, nothing is kept.
    """
    made = {}
    for layer in (module for model in models for module in model.modules()):
        if isinstance(layer, Linear4bit) and layer.compute_dtype:
            place = layer.weight.data.data_ptr()
            if place not in made:
                made[place] = layer.dequantized(layer.compute_dtype)
            layer.kept = made[place]
