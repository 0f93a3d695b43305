"""LoRA on a frozen backbone, and what it costs."""

from collections.abc import Sequence

import torch
from transformers.pytorch_utils import Conv1D

from heads.encoder import EncoderForMultipleChoice, head_modules
from heads.multiple_choice import HEAD_NAME, DecoderForMultipleChoice
from mcqa.errors import ConfigError

SEVEN_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
ALL_LINEAR = "all-linear"


def add_lora(
    model,
    *,
    lora_r: int = 16,
    lora_alpha: float = 16,
    lora_dropout: float = 0.0,
    rslora: bool = True,
    dora: bool = False,
    target_modules: Sequence[str] = (),
):
    """Wrap a frozen model with trainable LoRA matrices, and return a `peft.PeftModel`.

    Args:
        model: a transformers model, 4-bit or not. Only the adapter and its head will train.
        lora_r: rank of the update.
        lora_alpha: its scale is alpha / sqrt(r) with `rslora` (arXiv 2312.03732), else alpha / r.
        lora_dropout: on the adapter's input.
        dora: let LoRA change directions only, and train the magnitudes (arXiv 2402.09353).
        target_modules: as for `adapt`.
    """
    from peft import LoraConfig, get_peft_model

    settings = {"r": lora_r, "lora_alpha": lora_alpha, "lora_dropout": lora_dropout}
    settings |= {"use_rslora": rslora, "use_dora": dora}
    return adapt(get_peft_model, LoraConfig, model, target_modules, **settings)


def adapt(wrap, config_class, model, target_modules: Sequence[str], **settings):
    """Wrap a frozen model so that low-rank updates of its linear layers train.

    Args:
        wrap: (model, config) -> a `peft.PeftModel`.
        config_class: PEFT's, made of `settings`.
        target_modules: names of the linear layers to adapt, or `["all-linear"]`; by default the
            seven projections where the model has them all, else all linear layers.
    """
    present = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    usual = SEVEN_PROJECTIONS if present.issuperset(SEVEN_PROJECTIONS) else [ALL_LINEAR]
    targets = list(target_modules or usual)
    if targets == [ALL_LINEAR]:
        targets = _linear_layers(model)
    config = config_class(
        target_modules=targets,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        modules_to_save=head_names(model) or None,
        **settings,
    )
    try:
        return wrap(model, config).train()
    except ValueError as error:
        raise ConfigError(f"target modules {', '.join(targets)}: {error}") from error


def _linear_layers(model) -> list[str]:
    """Return the full names of a model's linear layers, the LM head and the head's left out."""
    left_out = {id(m) for name in head_names(model) for m in model.get_submodule(name).modules()}
    left_out.add(id(model.get_output_embeddings()))
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and id(module) not in left_out
    ]


def head_names(model) -> list[str]:
    """Return the names of the modules that are a multiple-choice head; every recipe trains it."""
    if isinstance(model, EncoderForMultipleChoice):
        return head_modules(model)
    return [HEAD_NAME] if isinstance(model, DecoderForMultipleChoice) else []


def adapted_modules(model) -> list[str] | None:
    """Return the sorted names that say which layers PEFT adapts; None where it adapts none."""
    config = getattr(model, "active_peft_config", None)
    targets = getattr(config, "target_modules", None)
    return sorted(targets) if targets else None


def trainable_parameters(model) -> int:
    """Return how many parameters training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
