"""What a run's settings make: the model that trains, its optimizer, a batch, and their bytes."""

import functools
from collections import namedtuple
from collections.abc import Iterable
from itertools import chain
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from mcqa.errors import ConfigError
from mcqa.formulations import get_formulation
from mcqa.formulations.objectives import Objective
from mcqa.models.adapters import head_names
from mcqa.models.backbones import load_tokenizer, model_config, pick_device, pick_dtype
from mcqa.models.names import pinned, resolve_model
from mcqa.models.recipes.building import add_recipe
from mcqa.models.sharing import tensor_parts
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.question import Question
from mcqa.runs.trained import base_of, read_record
from mcqa.training.config import TrainingConfig
from mcqa.training.optimizers import make_optimizer, pick_optimizer
from mcqa.training.setup import pick_objective

# How large a batch is; the length is the tokens of a row.
Shape = namedtuple("Shape", ("batch_size", "length", "options", "option_length"))


class Plan:
    """Hold what trains on which batch, and how; neither weights nor data are looked at.

    Raises:
        McqaError: no such model, settings that do not go together, or no room for the options.
    """

    def __init__(self, formulation: str, config: TrainingConfig, shape: Shape, announce):
        self.config, self.formulation = config, get_formulation(formulation)
        self.objective = pick_objective(self.formulation, config.objective)
        if not self.formulation.HAS_HEAD:
            config.refuse_head()
        question = _question(self.objective, shape)
        reference = pinned(resolve_model(config.model))
        if reference.kind == "run":
            reference = base_of(reference.path, read_record(reference.path))
        self.path, self.device = reference.path, pick_device(config.device)
        reach = getattr(model_config(self.path), "max_position_embeddings", None)
        beside = (shape.options - 1) * shape.option_length * (self.objective.name == "options")
        if reach and shape.length - beside > reach:
            raise ConfigError(
                f"length {shape.length}: the model's positions reach {reach:,} tokens only."
            )
        tokenizer = load_tokenizer(self.path) if config.head_words else None
        self.head = self.formulation.head_settings(self.path, tokenizer, config)
        self.dtype = pick_dtype(config.dtype, self.device)
        self.optimizer = pick_optimizer(config.optimizer, self.device, announce)
        rates = config.model_dump(include={"learning_rate", "weight_decay"})
        self.make_optimizer = functools.partial(make_optimizer, name=self.optimizer, **rates)
        special = SimpleNamespace(pad_token_id=1, eos_token_id=1)
        batch = self.objective.collate([question] * shape.batch_size, special)
        self.batch = {name: tensor.to(self.device) for name, tensor in batch.items()}

    def build(self, backbone, load_original=None) -> tuple[nn.Module, dict[str, int]]:
        """Make a frozen backbone trainable, and count its `weights` and the `adapter`, in bytes."""
        backbone = self.formulation.prepare_for_training(backbone)
        of_head = tuple(f"{name}." for name in head_names(backbone))
        named = chain(backbone.named_parameters(), backbone.named_buffers())
        own = [tensor for name, tensor in named if not name.startswith(of_head)]
        settings = self.config.recipe_settings() | {"load_original": load_original}
        model = add_recipe(backbone, self.config.recipe, **settings)
        weights, whole = n_bytes(own), n_bytes(chain(model.parameters(), model.buffers()))
        return model, {"weights": weights, "adapter": whole - weights}


def _question(objective: Objective, shape: Shape) -> EncodedQuestion:
    """Return a question that takes `shape.length` tokens, all of them the same one."""
    question = Question(id="q", stem="q", options=("a",) * shape.options, label=0)
    options = ((1,) * shape.option_length,) * shape.options
    prefix = shape.length - (objective.length(EncodedQuestion(question, (1,), options)) - 1)
    if prefix > 0:
        return EncodedQuestion(question, (1,) * prefix, options)
    raise ConfigError(
        f"length {shape.length}: has no room for {shape.options} options of {shape.option_length} "
        "tokens behind a question; make it longer, or --options or --option-length smaller."
    )


def storages(tensors: Iterable) -> dict[int, torch.UntypedStorage]:
    """Return the memory of tensors by its id, with the scales beside quantized weights."""
    parts = chain.from_iterable(tensor_parts(t) for t in tensors if isinstance(t, Tensor))
    memory = [part.untyped_storage() for part in parts]
    return {id(storage): storage for storage in memory}


def n_bytes(tensors: Iterable) -> int:
    """Return the bytes of tensors, memory that several share once; all else has none."""
    return sum(storage.nbytes() for storage in storages(tensors).values())


def of_training(optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """Return the bytes of `gradients` as they are now, and of what the `optimizer` remembers."""
    trained = chain.from_iterable(group["params"] for group in optimizer.param_groups)
    remembered = chain.from_iterable(state.values() for state in optimizer.state.values())
    return {"gradients": n_bytes(p.grad for p in trained), "optimizer": n_bytes(remembered)}
