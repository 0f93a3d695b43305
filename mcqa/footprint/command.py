"""Will it fit? What training a model takes, estimated from its configuration and measured."""

from dataclasses import asdict

from mcqa.footprint.estimating import estimate
from mcqa.footprint.measuring import measure
from mcqa.footprint.plan import Shape, make_plan
from mcqa.training.config import TrainingConfig

PARTS = ("weights", "adapter", "gradients", "optimizer", "activations", "total")


def tell_memory(
    formulation: str, config: TrainingConfig, shape: Shape, steps: int | None, announce
) -> dict:
    """Return what a training step takes, in bytes.

    Args:
        steps: how many to measure, from 2 on, or None.
        announce: called with lines for the user.

    Returns:
        `settings`; `predicted`, see `estimate`; `measured`, see `measure`, and `ratio` of the two
        by part, both None without steps.

    Raises:
        McqaError: the settings do not go together or with the model, or it cannot be trained.
    """
    plan = make_plan(formulation, config, shape, announce)
    settings = {
        "model": config.model,
        "formulation": formulation,
        "objective": plan.objective.name,
        "recipe": config.recipe,
        "quantization": config.quantization,
        "dtype": str(plan.dtype).removeprefix("torch."),
        "optimizer": plan.optimizer,
        "gradient_checkpointing": config.gradient_checkpointing,
        "device": plan.device,
        **asdict(shape),
    }
    predicted, measured, ratio = estimate(plan), None, None
    if steps is not None:
        measured = measure(formulation, config, shape, steps)
        ratio = {p: predicted[p] / measured[p] if measured[p] else None for p in PARTS}
    return {"settings": settings, "predicted": predicted, "measured": measured, "ratio": ratio}
