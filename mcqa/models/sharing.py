"""Models of one process that stand on the same base hold its weights once.

Whoever asks gets modules, hooks, adapters and `requires_grad` of its own. Only the numbers are
shared, with a model that nobody runs or changes, and that goes when the last who shares it goes.

The traps: a write into a weight is a write into all models, so trained weights take its place. And
layers of bitsandbytes move their scales at the first forward, so each needs its own parameter.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from mcqa.models.recipes.table import DEFAULT, RECIPES

_bases: WeakValueDictionary[tuple[str, str], nn.Module] = WeakValueDictionary()


def shares_base(record: dict) -> bool:
    """Return whether a run, by its `run.json`, leaves its base alone; an empty one is no run."""
    return RECIPES[record.get("recipe", DEFAULT)].keeps_base


def shared_model(
    load: Callable, path: str, *, head: dict | None, **settings
) -> tuple[nn.Module, nn.Module]:
    """Return a model, and the one that holds its weights for others to share.

    Where nobody has this model yet, `load(path, head=head, **settings)` makes it (JSON can hold the
    settings); if somebody has the same base under another formulation or head, what is equal is
    then held once. A folder whose files have changed is another base.
    """
    of_base = json.dumps([path, _state(Path(path)), settings], sort_keys=True)
    of_model = json.dumps([f"{load.__module__}.{load.__qualname__}", head], sort_keys=True)
    base = _bases.get((of_base, of_model))
    if base is None:
        base = load(path, head=head, **settings)
        for (other, _), held in list(_bases.items()):
            if other == of_base:
                _adopt(base, held)
        _bases[of_base, of_model] = base
    return twin(base), base


def _adopt(model: nn.Module, other: nn.Module) -> None:
    """Put another model's tensors in the place of a model's where name and content are the same."""
    theirs = _tensors(other)
    aliases = {id(tensor): _alias(tensor) for tensor in theirs.values()}
    for place, own in _tensors(model).items():
        found = theirs.get(place)
        if found is not None and _equal(own, found):
            prefix, _, name = place.rpartition(".")
            module = model.get_submodule(prefix)
            setattr(module, name, aliases[id(found)])
            if state := getattr(found, "quant_state", None):
                module.quant_state = state


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers in every place that they have, by name."""
    tensors = dict(model.named_parameters(remove_duplicate=False))
    return tensors | dict(model.named_buffers(remove_duplicate=False))


def _equal(a: Tensor, b: Tensor) -> bool:
    """Say whether two tensors are of one kind and hold the same numbers, scales included."""
    return type(a) is type(b) and all(
        x.dtype == y.dtype and x.device == y.device and torch.equal(x, y)
        for x, y in zip(tensor_parts(a), tensor_parts(b), strict=True)
    )


def tensor_parts(tensor: Tensor) -> list[Tensor]:
    """Return a weight's numbers, and those that bitsandbytes keeps beside them."""
    parts = [tensor.data, getattr(tensor, "SCB", None)]
    state = getattr(tensor, "quant_state", None)
    while state is not None:
        parts += [state.absmax, state.code, state.offset]
        state = state.state2
    return [part for part in parts if part is not None]


def _state(folder: Path) -> list:
    """Return what changes when a file of a folder is written."""
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    stats = [(file.name, file.stat()) for file in files if file.is_file()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def twin(model: nn.Module) -> nn.Module:
    """Return a copy of a model that never ran, with parameters of its own on the same memory."""
    memo = {}
    for tensor in (*model.parameters(), *model.buffers()):
        memo[id(tensor)] = _alias(tensor)
        state = getattr(tensor, "quant_state", None)  # of 4-bit weights, to be read only
        memo[id(state)] = state
    return copy.deepcopy(model, memo)


def _alias(tensor: Tensor) -> Tensor:
    """Return a parameter of its own on the memory of another; a buffer as it is."""
    if not isinstance(tensor, nn.Parameter):
        return tensor
    if hasattr(tensor, "quant_state"):
        alias = copy.copy(tensor)
        alias.module = None  # the layer that it was quantized in
        return alias
    if hasattr(tensor, "SCB"):
        parts = {name: getattr(tensor, name) for name in ("has_fp16_weights", "CB", "SCB")}
        return type(tensor)(tensor.data, requires_grad=tensor.requires_grad, **parts)
    return nn.Parameter(tensor.data, requires_grad=tensor.requires_grad)
