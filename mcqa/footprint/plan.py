"""What is to be foretold or measured, made out of a run's settings."""

from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import torch
from torch import Tensor, nn

from mcqa.errors import ConfigError
from mcqa.footprint.step import Shape, example, own_tensors
from mcqa.formulations import get_formulation
from mcqa.formulations.objectives import Objective
from mcqa.models.adapters import head_names
from mcqa.models.backbones import load_tokenizer, model_config, pick_device, pick_dtype
from mcqa.models.names import pinned, resolve_model
from mcqa.models.recipes.building import add_recipe
from mcqa.runs.trained import base_of, read_record
from mcqa.training.config import TrainingConfig
from mcqa.training.optimizers import pick_optimizer
from mcqa.training.setup import pick_objective


@dataclass(frozen=True)
class Plan:
    """Say what model trains on what batch.

    Args:
        formulation: its module.
        objective: what is learned.
        config: the settings of the run.
        shape: of a batch.
        path: of the base model, a folder or a Hub id.
        head: the head's settings, None where there is none.
        device: where it trains.
        dtype: what it computes in.
        optimizer: the one that is used there.
    """

    formulation: ModuleType
    objective: Objective
    config: TrainingConfig
    shape: Shape
    path: str
    head: dict | None
    device: str
    dtype: torch.dtype
    optimizer: str

    def build(self, backbone, load_original=None) -> tuple[nn.Module, list[Tensor]]:
        """Make a backbone trainable; return the model, and the tensors that are the backbone's.

        Args:
            backbone: frozen, from the formulation or of its sizes.
            load_original: see `mcqa.models.recipes.building.add_recipe`.
        """
        backbone = self.formulation.prepare_for_training(backbone)
        own = own_tensors(backbone, without=head_names(backbone))
        model = add_recipe(
            backbone,
            self.config.recipe,
            load_original=load_original,
            **self.config.recipe_settings(),
        )
        return model, own

    def batch(self) -> dict[str, Tensor]:
        """Return what the model's forward takes, of questions of this plan's length."""
        questions = [example(self.objective, self.shape)] * self.shape.batch_size
        made = self.objective.collate(questions, SimpleNamespace(pad_token_id=1, eos_token_id=1))
        return {name: tensor.to(self.device) for name, tensor in made.items()}


def make_plan(formulation_name: str, config: TrainingConfig, shape: Shape, announce) -> Plan:
    """Check settings against the model's configuration; weights are not needed.

    Args:
        formulation_name: `generative` or `multiple_choice`.
        config: the settings; those of data and of how long training takes are not looked at.
        shape: of a batch.
        announce: called with lines for the user.

    Raises:
        ConfigError: settings that do not go together, or a length that has no room for options.
        ModelError: there is no such model.
    """
    formulation = get_formulation(formulation_name)
    objective = pick_objective(formulation, config.objective)
    if not formulation.HAS_HEAD:
        config.refuse_head()
    if example(objective, shape) is None:
        raise ConfigError(
            f"length {shape.length}: has no room for {shape.options} options of "
            f"{shape.option_length} tokens behind a question; make it longer, or --options or "
            "--option-length smaller."
        )
    reference = pinned(resolve_model(config.model))
    if reference.kind == "run":
        reference = base_of(reference.path, read_record(reference.path))
    device = pick_device(config.device)
    reach = getattr(model_config(reference.path), "max_position_embeddings", None)
    longest = shape.length - (objective.name == "options") * (
        (shape.options - 1) * shape.option_length
    )
    if reach is not None and longest > reach:
        raise ConfigError(
            f"length {shape.length}: the model's positions reach {reach:,} tokens only."
        )
    tokenizer = load_tokenizer(reference.path) if config.head_words else None
    return Plan(
        formulation=formulation,
        objective=objective,
        config=config,
        shape=shape,
        path=reference.path,
        head=formulation.head_settings(reference.path, tokenizer, config),
        device=device,
        dtype=pick_dtype(config.dtype, device),
        optimizer=pick_optimizer(config.optimizer, device, announce),
    )
