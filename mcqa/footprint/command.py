"""Will it fit? What training a model takes, foretold from its configuration and measured."""

from collections.abc import Callable
from dataclasses import asdict

from mcqa.footprint.measuring import measure
from mcqa.footprint.plan import make_plan
from mcqa.footprint.predicting import predict
from mcqa.footprint.step import PARTS, Shape
from mcqa.training.config import TrainingConfig


def tell_memory(
    formulation: str,
    config: TrainingConfig,
    shape: Shape,
    *,
    steps: int | None = None,
    announce: Callable[[str], None] = print,
) -> dict:
    """Return what a training step takes, in bytes.

    Args:
        formulation: `generative` or `multiple_choice`.
        config: the settings of the run.
        shape: of a batch.
        steps: measure so many too, from 2 on; None measures nothing.
        announce: called with lines for the user.

    Returns:
        `settings`; `predicted`, see `mcqa.footprint.predicting.predict`; `measured`, see
        `mcqa.footprint.measuring.measure`, and `ratio`, predicted to measured by part, both None
        where nothing is measured.

    Raises:
        McqaError: the settings do not go together or with the model, or it cannot be trained.
    """
    plan = make_plan(formulation, config, shape, announce)
    predicted = predict(plan)
    measured = ratio = None
    if steps is not None:
        measured = measure(formulation, config, shape, steps)
        ratio = {
            part: predicted[part] / measured[part] if measured[part] else None for part in PARTS
        }
    return {
        "settings": {
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
        },
        "predicted": predicted,
        "measured": measured,
        "ratio": ratio,
    }
