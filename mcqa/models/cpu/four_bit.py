"""4-bit layers on a CPU: the weights that training sees, and no detours where nothing is learned.

In evaluation mode on CPUs with AVX512-BF16 bitsandbytes (0.50) packs a layer's weights anew at its
first forward pass: it rounds the block scales to bfloat16, and from then on the layer passes no
gradient, so an evaluation in mid-training would end the learning. It is also several times slower.

Where no gradient is wanted this layer takes the steps of bitsandbytes' plain way itself, scales,
weights, product, to the last bit, without the operators of Python around them.
"""

import torch
import torch.nn.functional as F
from bitsandbytes.nn import Linear4bit as BitsAndBytesLinear4bit
from torch import Tensor


class Linear4bit(BitsAndBytesLinear4bit):
    """A 4-bit layer of bitsandbytes on a CPU."""

    support_avx512bf16_for_cpu = False

    def forward(self, x: Tensor) -> Tensor:
        """Return the product (..., N) of an input (..., K), in its dtype."""
        state = getattr(self.weight, "quant_state", None)
        learning = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")
        if learning or state is None or x.numel() == 0:
            return super().forward(x)
        kernels = torch.ops.bitsandbytes
        scales, double = state.absmax, state.state2
        if double is not None:
            scales = kernels.dequantize_blockwise.default(
                scales, double.absmax, double.code, double.blocksize, torch.float32
            )
            scales += state.offset
        dtype = self.compute_dtype or x.dtype
        weight = kernels.dequantize_4bit.default(
            self.weight.data, scales, state.blocksize, state.quant_type, state.shape, dtype
        )
        bias = None if self.bias is None else self.bias.to(dtype)
        return F.linear(x.to(dtype), weight, bias).to(x.dtype)


def use_plain_layers(model: torch.nn.Module) -> None:
    """Make the 4-bit layers of a model on a CPU such layers."""
    for module in model.modules():
        if type(module) is BitsAndBytesLinear4bit:
            module.__class__ = Linear4bit
            del module.support_avx512bf16_for_cpu  # the instance's own, which hides the class's
