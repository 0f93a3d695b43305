"""AdamW in its kinds, and what weight decay leaves alone.

The trap: bitsandbytes keeps exceptions from 8 bits in one manager for the whole process, and the
next training would meet those of the one before. So each optimizer has a manager of its own.
"""

import copy
from collections.abc import Callable

import torch
from torch import nn
from transformers.trainer_pt_utils import get_parameter_names

from mcqa.system import processes

# No decay for biases and norms, as in transformers' Trainer.
WITHOUT_DECAY = ["bias", "layernorm", "rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
ADAM = {"betas": (0.9, 0.999), "eps": 1e-8}


def pick_optimizer(name: str, device: str, announce: Callable[[str], None]) -> str:
    """Return the optimizer to use; where it is not the one asked for, `announce` why."""
    kind = processes.sharding()
    if kind and name != "adamw_torch":
        announce(f"Optimizer {name} does not know the shards of {kind}; adamw_torch is used.")
        return "adamw_torch"
    if not name.startswith("paged_") or device.startswith("cuda"):
        return name
    instead = {"paged_adamw_8bit": "adamw_8bit", "paged_adamw_32bit": "adamw_torch"}[name]
    announce(f"Optimizer {name} pages its state out of a GPU; on {device} {instead} is used.")
    return instead


def make_optimizer(
    model: nn.Module, name: str, *, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Return an optimizer of the parameters that train, by a name from `pick_optimizer`."""
    decayed = set(get_parameter_names(model, [nn.LayerNorm], WITHOUT_DECAY))
    trained = [(key, p) for key, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for key, p in trained if key in decayed], "weight_decay": weight_decay},
        {"params": [p for key, p in trained if key not in decayed], "weight_decay": 0.0},
    ]
    if name == "adamw_torch":
        return torch.optim.AdamW(groups, lr=learning_rate, **ADAM)
    from bitsandbytes.optim import AdamW

    bits = 8 if name.endswith("8bit") else 32
    paged = name.startswith("paged_")
    optimizer = AdamW(groups, lr=learning_rate, **ADAM, optim_bits=bits, is_paged=paged)
    if bits == 8:  # embeddings keep 32, as bitsandbytes advises
        optimizer.mng = copy.copy(optimizer.mng)
        optimizer.mng.initialize()
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                optimizer.mng.register_module_override(module, "weight", {"optim_bits": 32})
    return optimizer
