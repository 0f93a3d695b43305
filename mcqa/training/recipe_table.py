"""What each recipe would train of a model, counted without loading its weights."""

from mcqa.errors import ConfigError
from mcqa.formulations import get_formulation
from mcqa.models.adapters import trainable_parameters
from mcqa.models.names import resolve_model
from mcqa.models.recipes.building import add_recipe
from mcqa.models.recipes.table import RECIPES
from mcqa.runs.trained import base_of, read_record
from mcqa.training.config import TrainingConfig


def list_recipes(model: str | None = None, formulation: str = "generative") -> list[dict]:
    """Return every recipe, and what it trains of a model, by its settings' defaults, head included.

    Dicts of `name`, `trains`, `source`, `settings`, `quantization`; with a model also
    `trainable_parameters` and `share` of all its parameters, or `cannot`: why not.
    """
    reference = resolve_model(model) if model else None
    if reference and reference.kind == "run":
        reference = base_of(reference.path, read_record(reference.path))
    rows = []
    for name, recipe in RECIPES.items():
        config = TrainingConfig(recipe=name)
        row = {
            "name": name,
            "trains": recipe.trains,
            "source": recipe.source,
            "settings": config.model_dump(mode="json", include=set(recipe.settings)),
            "quantization": config.quantization,
        }
        if reference:
            row |= _count(reference.path, formulation, name, config.recipe_settings())
        rows.append(row)
    return rows


def _count(path: str, formulation_name: str, recipe: str, settings: dict) -> dict:
    import torch

    formulation = get_formulation(formulation_name)
    with torch.device("meta"):
        model = formulation.empty_backbone(path).requires_grad_(False)
        total = sum(parameter.numel() for parameter in model.parameters())
        try:
            built = add_recipe(model, recipe, **settings)
        except ConfigError as error:
            return {"cannot": str(error)}
    trainable = trainable_parameters(built)
    return {"trainable_parameters": trainable, "share": trainable / total}
