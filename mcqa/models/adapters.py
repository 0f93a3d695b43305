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
ALL_LINEAR = "all-linear"


def add_lora(
    model,
    *,
    r: int = 16,
    alpha: float = 16,
    dropout: float = 0.0,
    rslora: bool = True,
    dora: bool = False,
    target_modules: Sequence[str] = (),
    head: Sequence[str] = (),
):
    """Wrap a frozen model with trainable LoRA matrices, and its head with them.

    Args:
        model: a transformers model, 4-bit or not. Only the adapter and the head will train.
        r: rank of the update.
        alpha: its scale is alpha / sqrt(r) with `rslora` (arXiv 2312.03732), else alpha / r.
        dropout: on the adapter's input.
        rslora: see `alpha`.
        dora: let LoRA change directions only, and train the magnitudes (arXiv 2402.09353).
        target_modules: names of the linear layers to adapt, or `["all-linear"]`; by default the
            seven projections where the model has them all, else all linear layers.
        head: names of modules to train in full and save with the adapter.

    Returns:
        A `peft.PeftModel` in training mode.

    Raises:
        ConfigError: the model has no layer of these names.
    """
    from peft import LoraConfig, get_peft_model

    targets = pick_targets(model, target_modules, head)
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        use_rslora=rslora,
        use_dora=dora,
        target_modules=targets,
        fan_in_fan_out=has_conv1d(model),
        modules_to_save=list(head) or None,
    )
    try:
        return get_peft_model(model, config).train()
    except ValueError as error:
        raise ConfigError(f"target modules {', '.join(targets)}: {error}") from error


def pick_targets(model, target_modules: Sequence[str], head: Sequence[str]) -> list[str]:
    """Return the names of the layers to adapt; arguments as in `add_lora`."""
    targets = list(target_modules) or _usual_targets(model)
    return linear_layers(model, head) if targets == [ALL_LINEAR] else targets


def has_conv1d(model) -> bool:
    """Say whether layers hold their weights the other way round, as GPT-2's do."""
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(module, Conv1D) for module in model.modules())


def _usual_targets(model) -> list[str]:
    present = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    return list(SEVEN_PROJECTIONS) if present.issuperset(SEVEN_PROJECTIONS) else [ALL_LINEAR]


def linear_layers(model, head: Sequence[str] = ()) -> list[str]:
    """Return the full names of a model's linear layers, the LM head and the head's left out.

    Args:
        model: a transformers model, 4-bit or not.
        head: names of the head's modules.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    lm_head = model.get_output_embeddings()
    of_head = {id(m) for name in head for m in model.get_submodule(name).modules()}
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
        and module is not lm_head
        and id(module) not in of_head
    ]


def adapted_modules(model) -> list[str] | None:
    """Return the sorted names that say which layers PEFT adapts; None where it adapts none."""
    config = getattr(model, "active_peft_config", None)
    targets = getattr(config, "target_modules", None)
    return sorted(targets) if targets else None


def trainable_parameters(model) -> int:
    """Return how many parameters training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
