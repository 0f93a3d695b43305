"""All that a run needs before its first step: model, encoder, questions, examples.

Everything that can be wrong with settings, data and model shows here, before anything is trained
or removed. What is below gets plain arguments, and knows no settings.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from transformers import set_seed

import mcqa
from heads.encoder import is_encoder
from mcqa.data.digests import digest_questions
from mcqa.errors import ConfigError
from mcqa.formulations import get_formulation
from mcqa.formulations.objectives import OPTIONS, Objective
from mcqa.kinds import KINDS
from mcqa.models.backbones import (
    context_length,
    load_tokenizer,
    model_config,
    pick_device,
    pick_dtype,
)
from mcqa.models.names import ModelReference, pinned, resolve_model
from mcqa.models.recipes.building import add_recipe, scoring_model
from mcqa.prompting.encoded_sets import encode_set
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import get_template
from mcqa.retrieval.contexts import Contexts
from mcqa.retrieval.index import open_passages
from mcqa.runs.trained import attach_adapter, base_of, read_record, tensors_checksum
from mcqa.runs.training_folder import run_folder
from mcqa.scoring.scorer import Scorer
from mcqa.system import processes
from mcqa.training.batches import Data
from mcqa.training.config import TrainingConfig
from mcqa.training.mixture import parse_kind_weights
from mcqa.training.questions import Mixture, QuestionSet, load_training, load_validation
from mcqa.training.schedules import Schedule, count_steps, pick_factor
from mcqa.training.sharding import check_sharding
from mcqa.training.shuffling import ShuffledOptions, count_fixed
from mcqa.training.trackers import check_trackers

# Settings that a run may be gone on with in another way: `Setup.work` holds what they lead to, or
# they change no result.
BY_CONTENT = {"model", "data_format", "label_base", "field", "unlabelled", "skip_invalid"}
BY_CONTENT |= {"context", "index", "corpus", "top_k"}
BY_CONTENT |= {f"{of}{name}" for of in ("", "validation_") for name in ("data", "split", "limit")}
WITHOUT_INFLUENCE = {"output", "resume", "overwrite", "report_to", "gradient_checkpointing"}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Hold what a run is made of; the settings are those of the run that training goes on from.

    `base` is what `run.json` says of the base and its head. `build` returns the model as it is
    before training, on the device that it is given, and what `start` is: it changes with the
    weights that training starts from.
    """

    config: TrainingConfig
    formulation: ModuleType
    objective: Objective
    folder: Path
    base: dict
    model: torch.nn.Module
    start: str
    build: Callable[[str], tuple[torch.nn.Module, str]]
    device: str
    dtype: torch.dtype
    scorer: Scorer
    training: Mixture
    validation: QuestionSet
    data: Data
    schedule: Schedule

    @property
    def work(self) -> dict:
        """What decides the trained weights, by the names in which a change is reported."""
        return {
            "formulation": self.formulation.NAME,
            "weights to start from": self.start,
            **self.training.work(),
            "validation questions": digest_questions(self.validation.questions),
            "context": str(self.scorer.encoder.contexts),
            **self.config.model_dump(mode="json", exclude=BY_CONTENT | WITHOUT_INFLUENCE),
            "processes": processes.count(),
            "versions": f"mcqa {mcqa.__version__}, torch {torch.__version__}",
        }


def prepare(
    formulation_name: str,
    config: TrainingConfig,
    announce: Callable[[str], None],
    held: contextlib.ExitStack,
) -> Setup:
    """Check the settings, take the run folder, read the questions, and build the model.

    The arguments are those of `train`; `held` keeps the folder from others until it is closed.

    Raises:
        McqaError: a setting, the folder, the data or the model cannot be used.
    """
    formulation = get_formulation(formulation_name)
    objective = pick_objective(formulation, config.objective)
    if not formulation.HAS_HEAD:
        config.refuse_head()
    check_trackers(config.report_to)
    how = config.model_dump(include={"resume", "overwrite"})
    folder = held.enter_context(run_folder(config.output, **how))
    reference = pinned(resolve_model(config.model))
    earlier = _earlier_run(reference, formulation)
    device = pick_device(config.device)
    reading = {"unlabelled": config.unlabelled, **config.reading()}
    training = load_training(config.data, config.split, config.limit, config.seed, **reading)
    held_out = (config.validation_data, config.validation_split, config.validation_limit)
    validation = load_validation(*held_out, config.data, **reading)

    set_seed(config.seed)
    tokenizer = load_tokenizer(reference.path)
    if earlier:
        base = {name: earlier.get(name) for name in ("head", "base_model", "base_commit")}
        base |= {"base_gguf": earlier["base_gguf"]} if earlier.get("base_gguf") else {}
        config = config.going_on_from(earlier)
        announce(f"Going on from {config.model}: its recipe and head settings are kept.")
    else:
        head = formulation.head_settings(reference.path, tokenizer, config)
        base = {"head": head, "base_model": reference.repository, "base_commit": reference.commit}
        gguf = getattr(model_config(reference.path), "gguf", None)
        base |= {"base_gguf": gguf} if gguf else {}
    check_sharding(**config.model_dump(include={"recipe", "quantization", "best_metric"}))
    build = functools.partial(_build, formulation, reference, earlier, base["head"], config)
    model, start = build("cpu" if processes.sharding() == "DeepSpeed" else device)
    passages = {}
    if config.context == "retrieved":
        index = open_passages(config.index, config.corpus, announce, **config.reading())
        passages = {"index": index, "top_k": config.top_k, "held_out": validation.questions}
    recipe_settings = config.recipe_settings()
    room = context_length(model, objective.written) - recipe_settings.get("virtual_tokens", 0)
    encoder = Encoder(
        tokenizer,
        get_template(config.template),
        min(config.max_length, room),
        pairs=is_encoder(model.config),
        apart=model.config.is_encoder_decoder,
        contexts=Contexts(config.context, **passages),
    )
    scorer_name = formulation.default_scorer(objective.name)
    scorer = Scorer(scoring_model(model), tokenizer, encoder, scorer_name, formulation)
    weights = parse_kind_weights(config.kind_weights)
    _check_kinds(objective, scorer, weights, (*training.sets, validation))
    splitting = {"split": scorer.split}
    encoded = encode_set(encoder, training.questions, learning=True, **splitting)
    of_epoch = None
    if config.shuffle_options:
        of_epoch = functools.partial(ShuffledOptions, encoded.questions, encoder, config.seed)
        if fixed := count_fixed(encoded.questions):
            announce(f"shuffle_options: {fixed:,} questions are scales, which keep their order.")
    data = Data(
        training=encoded,
        validation=encode_set(encoder, validation.questions, **splitting),
        length=objective.length,
        collate=functools.partial(objective.collate, tokenizer=tokenizer, weights=weights),
        **config.model_dump(include={"batch_size", "accumulation", "seed"}),
        of_epoch=of_epoch,
        pin=torch.device(device).type != "cpu",
    )
    steps = count_steps(data.steps_per_epoch, config.epochs, config.max_steps)
    schedule = Schedule(
        steps=steps,
        between=config.steps_between,
        factor=pick_factor(steps, config.warmup_steps, **recipe_settings),
        **config.model_dump(include={"learning_rate", "best_metric"}),
    )
    return Setup(
        config=config,
        formulation=formulation,
        objective=objective,
        folder=folder,
        base=base,
        model=model,
        start=start,
        build=build,
        device=device,
        dtype=pick_dtype(config.dtype, device),
        scorer=scorer,
        training=training,
        validation=validation,
        data=data,
        schedule=schedule,
    )


def pick_objective(formulation, name: str | None) -> Objective:
    """Return the objective of a name, by default the first, or raise ConfigError."""
    objectives = formulation.OBJECTIVES
    name = name or next(iter(objectives))
    if name not in objectives:
        raise ConfigError(
            f"objective {name!r} does not go with {formulation.NAME}: use {', '.join(objectives)}."
        )
    return objectives[name]


def _check_kinds(
    objective: Objective,
    scorer: Scorer,
    weights: Mapping[str, float],
    sets: Sequence[QuestionSet],
) -> None:
    """Refuse by a ConfigError what an objective cannot learn, and weights that it cannot give."""
    soft = [one.record["source"] for one in sets if one.questions and one.questions.soft]
    if soft and not objective.soft:
        raise ConfigError(
            f"data {soft[0]!r} has soft labels, and objective {objective.name!r} learns to write "
            f"one answer. Use --objective {OPTIONS.name}, or leave the targets out."
        )
    judged = [name for name in weights if KINDS[name].several and scorer.split]
    if judged:
        raise ConfigError(
            f"kind_weights {judged[0]}: {scorer.formulation} asks of each option whether it is "
            "right, and these are questions of yes or no. Give a weight to yes_no."
        )


def _earlier_run(reference: ModelReference, formulation) -> dict | None:
    """Return the record of the run that training starts from, None where it starts from a model."""
    if reference.kind != "run":
        return None
    record = read_record(reference.path)
    if record["formulation"] != formulation.NAME:
        raise ConfigError(
            f"model {reference.name!r} is a run of the formulation {record['formulation']}; "
            f"{formulation.NAME} cannot go on from it. Name its base model "
            f"{record['base_model']!r}, or train {record['formulation']}."
        )
    return record


def _build(
    formulation: ModuleType,
    reference: ModelReference,
    earlier: dict | None,
    head: dict | None,
    config: TrainingConfig,
    device: str,
) -> tuple[torch.nn.Module, str]:
    """Return the model, and what changes with the weights that it starts from."""
    base = base_of(reference.path, earlier) if earlier else reference
    where = {"dtype": config.dtype, "device": device, "sharding": processes.sharding()}
    load = functools.partial(formulation.load_backbone, base.path, head=head, **where)
    backbone = formulation.prepare_for_training(load(quantization=config.quantization))
    start = tensors_checksum(backbone.state_dict())[:16]
    if earlier:
        start += f" with {earlier['trained_sha256'][:16]}"
        return attach_adapter(backbone, reference.path, earlier, trainable=True), start
    load_original = functools.partial(load, quantization="none")
    settings = config.recipe_settings()
    return add_recipe(backbone, config.recipe, load_original=load_original, **settings), start
