"""Put tensors elsewhere in memory, to places that only files give them."""

import copy

import torch


def at(tensor, offset):
    """Return a copy that starts `offset` bytes behind a multiple of 64."""
    n_bytes = tensor.numel() * tensor.element_size()
    memory = torch.empty(n_bytes + 128, dtype=torch.uint8)
    start = -memory.data_ptr() % 64 + offset
    moved = memory[start : start + n_bytes].view(tensor.dtype).view(tensor.shape)
    return moved.copy_(tensor.detach())


def move(model, offset):
    """Return a copy of a model whose float32 parameters all start there."""
    moved = copy.deepcopy(model)
    for parameter in moved.parameters():
        if parameter.dtype == torch.float32:
            parameter.data = at(parameter, offset)
    return moved
