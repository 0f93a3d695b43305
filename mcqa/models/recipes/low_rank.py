"""Recipes that change linear layers by little: (IA)3, and LoRA's relatives beyond `add_lora`."""

from collections.abc import Callable

import torch

from mcqa.errors import ConfigError
from mcqa.models.adapters import adapt, add_lora, head_names

AVERAGES = ("exp_avg_ipt", "exp_avg_unc")  # as PEFT's rank allocator names them


def add_ia3(model):
    """Train one factor for each key, value and inner MLP activation, on the layers PEFT names."""
    from peft import IA3Config, get_peft_model

    config = IA3Config(modules_to_save=head_names(model) or None)
    try:
        return mend(get_peft_model(model, config)).train()
    except ValueError as error:
        raise ConfigError(
            f"recipe 'ia3': {error} PEFT has no list of layers for "
            f"{model.config.model_type!r}; use another recipe."
        ) from error


def mend(model):
    """Put right what PEFT does to quantized layers.

    (IA)3's return float32 there, and keys in float32 beside queries in bfloat16 are an error
    outside of autocast. AdaLoRA's rank counts take gradients there, and are not saved.
    """
    for layer in model.modules():
        if hasattr(layer, "ia3_l"):
            layer.register_forward_hook(_as_input)
        if hasattr(layer, "ranknum"):
            layer.ranknum.requires_grad_(False)
    return model


def _as_input(layer, inputs, output: torch.Tensor) -> torch.Tensor:
    autocasts = torch.is_autocast_enabled(output.device.type)
    return output if autocasts else output.to(inputs[0].dtype)


def add_adalora(model, *, adalora_initial_rank: int, adalora_target_rank: int, **settings):
    """Train updates P diag(E) Q whose least important directions are cut during training.

    From `adalora_initial_rank` to `adalora_target_rank` on average; the other settings are those of
    `add_lora`. How long training is, `mcqa.training.schedules.RankBudget` tells.
    """
    from peft import AdaLoraConfig

    if adalora_initial_rank <= adalora_target_rank:
        raise ConfigError(
            f"adalora_initial_rank {adalora_initial_rank} must be above adalora_target_rank "
            f"{adalora_target_rank}: the ranks are cut from the one to the other."
        )
    settings |= {"init_r": adalora_initial_rank, "target_r": adalora_target_rank}
    settings["total_step"] = 2  # a placeholder; PEFT wants one
    return mend(adapt(regularized_class(), AdaLoraConfig, model, **settings))


def regularized_class():
    """Return the PeftModel that trains through AdaLoRA's forward, which adds a regularizer."""
    from peft import PeftModel

    class RegularizedPeftModel(PeftModel):
        def forward(self, *args, **kwargs):
            inner = self.base_model if self.training else self.get_base_model()
            return inner(*args, **kwargs)

    return RegularizedPeftModel


def importance_tensors(model) -> dict[str, torch.Tensor]:
    """Return AdaLoRA's running averages of how much each number matters, for a checkpoint."""
    allocator = _rank_allocator(model)
    kinds = [(kind, getattr(allocator, kind, {})) for kind in AVERAGES]
    return {f"{name}.{kind}": one for kind, tensors in kinds for name, one in tensors.items()}


def set_importance_tensors(model, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Take AdaLoRA's running averages out of a checkpoint's tensors, and return the others."""
    allocator = _rank_allocator(model)
    if allocator is None:
        return tensors
    others = dict(tensors)
    for kind in AVERAGES:
        names = [name for name in tensors if name.endswith(f".{kind}")]
        averages = {n.removesuffix(f".{kind}"): others.pop(n).to(model.device) for n in names}
        setattr(allocator, kind, averages)
    # The importance at the last step is computed anew; its names say which averages have begun.
    allocator.ipt = dict.fromkeys(allocator.exp_avg_ipt)
    return others


def _rank_allocator(model):
    return getattr(getattr(model, "base_model", None), "rankallocator", None)


@torch.no_grad()
def add_loftq(model, *, load_original: Callable | None, **settings):
    """Add LoRA that starts from the best low-rank fit of the quantization's error.

    One step of the alternation, since the backbone is quantized already. Why PEFT's own is not
    used: docs/recipes.md.

    Args:
        model: a 4-bit model.
        load_original: returns it without quantization; None leaves LoRA's own start, for who only
            counts or loads.

    Source: Li et al. (2023), arXiv 2310.08659, algorithm 1 with T = 1.
    """
    from bitsandbytes.functional import dequantize_4bit

    lora = add_lora(model, **settings)
    if load_original is None:
        return lora
    original = load_original()
    if getattr(original, "hf_quantizer", None) is not None:
        raise ConfigError(
            "recipe 'loftq' needs the weights from before quantization, and this model comes "
            "quantized. Name the original, or use --recipe qlora."
        )
    for name, layer in lora.get_base_model().named_modules():
        if not hasattr(layer, "lora_A"):
            continue
        (adapter,) = layer.lora_A
        quantized = layer.base_layer.weight
        dequantized = dequantize_4bit(quantized.data, quantized.quant_state).float()
        residual = original.get_submodule(name).weight.float() - dequantized
        left, values, right = torch.linalg.svd(residual, full_matrices=False)
        rank, root = layer.r[adapter], values.sqrt()
        layer.lora_A[adapter].weight.copy_((root[:, None] * right)[:rank])
        layer.lora_B[adapter].weight.copy_((left * root)[:, :rank] / layer.scaling[adapter])
    return lora
