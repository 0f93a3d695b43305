"""Make a frozen backbone trainable by a recipe's name, and make the trained model final."""

import functools
from collections.abc import Callable

import torch

from mcqa.models.adapters import add_lora
from mcqa.models.recipes import low_rank, restarts, soft_prompts, weights
from mcqa.models.recipes.table import RECIPES

BUILDERS = {
    "full": weights.train_all,
    "top-layers": weights.train_top_layers,
    "bitfit": weights.train_biases,
    "layernorm": weights.train_norms,
    "adapter": weights.add_bottlenecks,
    **{
        kind: functools.partial(soft_prompts.add_soft_prompt, kind=kind)
        for kind in ("prefix-tuning", "prompt-tuning", "p-tuning")
    },
    "ia3": low_rank.add_ia3,
    **dict.fromkeys(("lora", "rslora", "qlora", "lora-int8"), add_lora),
    "dora": functools.partial(add_lora, dora=True),
    "adalora": low_rank.add_adalora,
    "loftq": low_rank.add_loftq,
    "relora": restarts.add_relora,
}


def add_recipe(model, name: str, *, load_original: Callable | None = None, **settings):
    """Make a frozen model trainable, its head in full whatever the recipe.

    Args:
        name: of the recipe, which takes these settings.
        load_original: returns the model without quantization, for recipes that start from it.

    Returns:
        The model in training mode: a `peft.PeftModel`, or itself where its own weights train.

    Raises:
        ConfigError: the settings do not go with the model.
    """
    if name == "loftq":
        settings["load_original"] = load_original
    built = BUILDERS[name](model, **settings)
    if RECIPES[name].kept_by == "weights":
        weights.raise_precision(built)
    return built.train()


def finish(model, name: str, *, dtype: torch.dtype, generates: bool):
    """Turn a trained model from `add_recipe` into what is saved, loaded and scored.

    Args:
        dtype: what the backbone computes in.
        generates: whether it is a language model.
    """
    if RECIPES[name].kept_by == "weights":
        return weights.lower_precision(model, dtype)
    if RECIPES[name].kept_by == "prompt":
        return soft_prompts.finish_soft_prompt(model, "CAUSAL_LM" if generates else None)
    if name == "adalora":  # the cut directions stay as zeros: the file loads as what was trained
        model.active_peft_config.rank_pattern = None
    return restarts.finish_restarts(model) if name == "relora" else model


def scoring_model(model):
    """Return the model that scorers take: without its wrapper, unless that adds to its input."""
    from peft import PeftModel

    if not isinstance(model, PeftModel) or model.active_peft_config.is_prompt_learning:
        return model
    return model.get_base_model()
