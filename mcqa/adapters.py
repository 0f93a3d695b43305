"""LoRA on a frozen backbone, and what it costs."""

from collections.abc import Sequence

from mcqa.errors import ConfigError

SEVEN_PROJECTIONS = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
)


def add_lora(
    model,
    *,
    r: int = 16,
    alpha: float = 16,
    dropout: float = 0.0,
    rslora: bool = True,
    target_modules: Sequence[str] = SEVEN_PROJECTIONS,
    head: str | None = None,
):
    """Wrap a frozen model with trainable LoRA matrices, and its head with them.

    Args:
        model: a transformers model, 4-bit or not. Only the adapter and the head will train.
        r: rank of the update.
        alpha: its scale is alpha / sqrt(r) with `rslora` (arXiv 2312.03732), else alpha / r.
        dropout: on the adapter's input.
        rslora: see `alpha`.
        target_modules: names of the linear layers to adapt, or `["all-linear"]`.
        head: name of a module to train in full and save with the adapter.

    Returns:
        A `peft.PeftModel` in training mode.

    Raises:
        ConfigError: the model has no layer of these names.
    """
    from peft import LoraConfig, get_peft_model

    targets = list(target_modules)
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        use_rslora=rslora,
        target_modules="all-linear" if targets == ["all-linear"] else targets,
        modules_to_save=[head] if head else None,
    )
    try:
        return get_peft_model(model, config).train()
    except ValueError as error:
        raise ConfigError(f"target modules {', '.join(targets)}: {error}") from error


def trainable_parameters(model) -> int:
    """Return how many parameters training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
