"""Put tensors where float32 matrix products round alike.

A product with few rows or columns rounds by where its operands start; Intel's MKL promises equal
bits at multiples of 64 bytes only. Memory of torch starts there, a tensor out of a file anywhere.
Products of bfloat16 and float16, sums and elementwise products do not depend on it.

Source: oneMKL developer guide, "Obtaining numerically reproducible results".
"""

import torch
from torch import Tensor, nn

ALIGNMENT = 64  # bytes


def is_aligned(tensor: Tensor) -> bool:
    """Say whether a product of this tensor rounds as it would anywhere else."""
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        return True
    if type(tensor) not in (Tensor, nn.Parameter):  # fake or sharded: no memory of its own
        return True
    return tensor.data_ptr() % ALIGNMENT == 0


def aligned(tensor: Tensor) -> Tensor:
    """Return the tensor, or a copy where it does not start at a multiple of 64 bytes."""
    return tensor if is_aligned(tensor) else tensor.clone()


def align(model: nn.Module) -> nn.Module:
    """Give every parameter and buffer of a model that is not aligned memory of its own."""
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = aligned(tensor.data)
    return model
