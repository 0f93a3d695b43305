"""4-bit layers on a CPU: the weights that training sees, and no detours where nothing is learned.

In evaluation mode on CPUs with AVX512-BF16 bitsandbytes (0.50) packs a layer's weights anew at its
first forward pass: it rounds the block scales to bfloat16, and from then on the layer passes no
gradient, so an evaluation in mid-training would end the learning. It is also several times slower.
Where no gradient is wanted this layer takes the steps of bitsandbytes' plain way, to the last bit.
"""

import copy

import torch
import torch.nn.functional as F
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit as BitsAndBytesLinear4bit
from torch import Tensor


class Linear4bit(BitsAndBytesLinear4bit):
    """A 4-bit layer of bitsandbytes on a CPU, on the weights of another."""

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
        if state.dtype != dtype:
            state = copy.copy(state)
            state.dtype = dtype
        weight = dequantize_4bit(self.weight.data, state)
        bias = None if self.bias is None else self.bias.to(dtype)
        return F.linear(x.to(dtype), weight, bias).to(x.dtype)


def use_plain_layers(model: torch.nn.Module) -> None:
    """Put such a layer in the place of every 4-bit layer of a model on a CPU."""
    for name, module in list(model.named_modules()):
        if type(module) is BitsAndBytesLinear4bit:
            model.set_submodule(name, Linear4bit(module))
