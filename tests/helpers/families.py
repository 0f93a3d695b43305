"""Every decoder family of transformers as a tiny model, and what loading makes of it.

Run as a program it writes `docs/families.md`.
"""

import warnings

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as NAMES

from heads.checking import UnfitDecoder, check_decoder
from heads.small_copy import shrink

# What a default configuration lacks, or has in sizes that do not go together when small.
SETTINGS = {
}
# Settings that make another decoder of a family.
VARIANTS = {
    "falcon, with ALiBi": ("falcon", {"alibi": True}),
    "bert, as a decoder": ("bert", {"is_decoder": True}),
    "qwen2, with windows": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 4, "layer_types": ["full_attention", "sliding_attention"]},
    ),
}
FAMILIES = {name: (name, SETTINGS.get(name, {})) for name in NAMES} | VARIANTS


def build(name: str):
    """Return a tiny random model of a family, in float32.

    Raises:
        Exception: of any kind, where transformers cannot build it so.
    """
    model_type, settings = FAMILIES[name]
    small = shrink(CONFIG_MAPPING[model_type]().to_dict()) | settings
    config = CONFIG_MAPPING[model_type].from_dict(small)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float().eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.normal_(std=0.2)
    return model
