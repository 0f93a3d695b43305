"""Models of one process that stand on the same base hold its weights once.

Whoever asks gets a model of its own: modules, hooks, adapters and `requires_grad` are nobody
else's. Only the numbers are shared, with a model that nobody runs or changes, and that goes when
the last who shares it goes.

The traps: a write into a weight is a write into all models, so that trained weights are put in the
place of the base's and never into them (`mcqa.recipes.weights.load_tensors`). And layers of
bitsandbytes move their scales about at the first forward, so that each needs its own parameter.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

import torch
from torch import nn

from mcqa.recipes.table import DEFAULT, RECIPES

_bases: WeakValueDictionary[str, nn.Module] = WeakValueDictionary()


def shares_base(record: dict) -> bool:
    """Return whether a run leaves enough of its base alone for others to share it.

    Args:
        record: its `run.json`, empty for what is no run.
    """
    return RECIPES[record.get("recipe", DEFAULT)].keeps_base


def shared_model(load: Callable, path: str, **settings) -> tuple[nn.Module, nn.Module]:
    """Return a model, and the one that holds its weights for others to share.

    Args:
        load: returns the model, called as `load(path, **settings)` where nobody has it yet.
        path: a folder or a Hub id. A folder whose files have changed is another one.
        settings: values that JSON can hold.
    """
    made_by = f"{load.__module__}.{load.__qualname__}"
    key = json.dumps([made_by, path, _state(Path(path)), settings], sort_keys=True)
    base = _bases.get(key)
    if base is None:
        base = _bases[key] = load(path, **settings)
    return twin(base), base


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


def _alias(tensor: torch.Tensor) -> torch.Tensor:
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
