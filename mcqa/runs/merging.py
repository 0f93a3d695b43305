"""Melt an adapter into its base: a plain model folder, without PEFT and without 4-bit.

The trap: an adapter learned to correct the quantized weights, not those of the original base.
So the quantized base is dequantized, in float32, and the adapter is added to that; the sum is
rounded once, to the type the model is saved in. That still moves scores: score again afterwards.
"""

import os
from pathlib import Path

import torch
from transformers.pytorch_utils import Conv1D

from heads.multiple_choice import DecoderForMultipleChoice
from mcqa.errors import ConfigError, RunError
from mcqa.models.recipes.table import DEFAULT, RECIPES
from mcqa.models.recipes.weights import has_additions
from mcqa.runs.trained import attach_adapter
from mcqa.system.files import whole_folder
from mcqa.system.quiet import quiet_loading

CARD = """\
---
base_model: {base_model}
tags: [multiple-choice, mcqa, {formulation}]
---

# {base_model}, tuned for multiple-choice questions ({formulation})

The adapter of a run of mcqa, merged into its base ({quantization}, dequantized) in {dtype}.
Prompt template: {template}. `transformers.{auto_class}` loads this folder{how}.
"""


def merge_adapter(backbone, folder: str | os.PathLike, record: dict, dtype):
    """Return a run's model with its adapter merged into the weights.

    Args:
        backbone: the base as the run's record says, quantized or not; it is used up.
        dtype: torch dtype of the result. A decoder's head stays float32.

    Raises:
        ConfigError: what was trained has no place in a plain model.
        ModelError: the adapter is missing or damaged.
    """
    from peft import PeftModel

    with quiet_loading():
        if getattr(backbone, "hf_quantizer", None) is not None:
            backbone = backbone.dequantize(dtype=torch.float32)
        merged = attach_adapter(backbone.to(torch.float32), folder, record)
        if isinstance(merged, PeftModel):
            merged = merged.merge_and_unload(safe_merge=True)
    check_mergeable(folder, record, merges=not has_additions(merged))
    _restore_conv1d(merged)
    merged.config.dtype = dtype
    return merged.to(dtype).eval()


def _restore_conv1d(model) -> None:
    """Turn GPT-2's layers, which quantizers make linear, into what its class and files expect."""
    with torch.device("meta"):
        plain = type(model)(model.config)
    for name, expected in plain.named_modules():
        layer = model.get_submodule(name)
        if isinstance(expected, Conv1D) and isinstance(layer, torch.nn.Linear):
            restored = Conv1D(layer.out_features, layer.in_features)
            restored.weight = torch.nn.Parameter(layer.weight.T.contiguous(), requires_grad=False)
            restored.bias = layer.bias
            model.set_submodule(name, restored)


def check_mergeable(folder: str | os.PathLike, record: dict, *, merges: bool | None = None) -> None:
    """Raise ConfigError if a run adds what no plain model has, by default if its recipe does."""
    name = record.get("recipe", DEFAULT)
    recipe = RECIPES[name]
    if not (recipe.merges if merges is None else merges):
        raise ConfigError(
            f"{folder}: recipe {name!r} cannot be merged: it trains {recipe.trains}, and a plain "
            "model has no place for these. Use the run folder itself, or train another recipe."
        )


def save_merged(folder: str | os.PathLike, model, tokenizer, record: dict) -> Path:
    """Write a merged model as a plain folder, a decoder's multiple-choice model with its code."""
    folder = check_output(folder)
    if hasattr(model.config, "quantization_config"):
        raise RunError(f"{folder}: the merged model is still marked as quantized; not saved.")
    has_head = record["formulation"] == "multiple_choice"
    auto_class = "AutoModelForMultipleChoice" if has_head else "AutoModelForCausalLM"
    carries_code = isinstance(model, DecoderForMultipleChoice)
    if carries_code:
        type(model).register_for_auto_class(auto_class)
    card = CARD.format(
        **record | {"dtype": str(model.dtype).removeprefix("torch.")},
        auto_class=auto_class,
        how=" after `import heads`, or with `trust_remote_code=True`" if carries_code else "",
    )
    with whole_folder(folder) as inside, quiet_loading():
        # What loading did to a quantized file is not to be done backwards.
        model.save_pretrained(inside, save_original_format=False)
        tokenizer.save_pretrained(inside)
        (inside / "README.md").write_text(card, encoding="utf-8")
    return folder


def check_output(folder: str | os.PathLike) -> Path:
    """Return a folder's path, or raise ConfigError where it holds something."""
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder. Choose another --output.")
    return folder
