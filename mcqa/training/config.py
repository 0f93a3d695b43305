"""The settings of a training run: one flat list, read from YAML and flags, checked all at once.

It lives at the edge: commands build it, the training path unpacks it, nothing below sees it.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mcqa.data.formats import parse_fields
from mcqa.errors import ConfigError
from mcqa.formulations.head import HeadOptions
from mcqa.models.embedded import ALIAS
from mcqa.models.recipes.table import DEFAULT, RECIPES
from mcqa.models.recipes.table import SETTINGS as RECIPE_FIELDS
from mcqa.prompting.prompts import TEMPLATES
from mcqa.retrieval.contexts import KINDS, TOP_K
from mcqa.training.mixture import parse_kind_weights, parse_sources

Positive = Annotated[int, Field(ge=1)]
# What a file says of these goes when a flag gives the setting that they belong to.
GO_WITH = {"data": "split", "validation_data": "validation_split"}
GO_WITH |= {"index": "corpus", "corpus": "index"}


def _as_pairs(fields):
    """Let a file say `field: {stem: prompt}` for what the flags say as `--field stem=prompt`."""
    return [f"{k}={v}" for k, v in fields.items()] if isinstance(fields, dict) else fields


def as_sources(data):
    """Let a file say `data: a.jsonl`, or `data: {a.jsonl: 2, b.jsonl: 0.5}` for several sets."""
    return (data,) if isinstance(data, str) else _as_pairs(data)


def _as_trackers(names):
    """Let a file name one tracker, or say `none`."""
    names = [names] if isinstance(names, str) else names
    return () if names in (["none"], ("none",)) else names


class _BeforeTheHead(BaseModel):
    """Hold the settings that come first in the command line's help, which lists them in order."""

    model: str = Field(ALIAS, description="model to tune: embedded name, folder or Hub id")
    data: Annotated[tuple[str, ...], BeforeValidator(as_sources)] = Field(
        ("bundled",),
        min_length=1,
        description="training questions: file, Hub id or 'bundled'; SOURCE=WEIGHT goes through "
        "them WEIGHT times an epoch",
    )
    split: str | None = Field(None, description="split of the training data (Hub, bundled)")
    limit: Positive | None = Field(None, description="use only the first N questions of each set")
    validation_data: str | None = Field(None, description="validation questions, default: --data")
    validation_split: str | None = Field(None, description="their split (Hub, bundled)")
    validation_limit: Positive | None = Field(None, description="use only the first N of them")
    data_format: str = Field("auto", description="format of the data: medmcqa, arc, mmlu, ...")
    label_base: Annotated[int, Field(ge=0, le=1)] | None = Field(
        None, description="what the data's labels count from"
    )
    field: Annotated[tuple[str, ...], BeforeValidator(_as_pairs)] = Field(
        (), description="NAME=FIELD, to read the data's FIELD as NAME"
    )
    unlabelled: Literal["error", "skip"] = Field(
        "error", description="what to do with a row without exactly one right answer"
    )
    skip_invalid: bool = Field(False, description="put bad rows into rejected.jsonl")
    output: str = Field("runs/latest", description="run folder to write")
    context: Literal[*KINDS] = Field(
        "data",
        description="what to read before a question: data (its own context), none, gold (the "
        "passage that comes with it: context, else explanation) or retrieved (by BM25)",
    )
    index: str | None = Field(
        None, description="retrieved: folder of passages that `mcqa index` wrote"
    )
    corpus: str | None = Field(
        None, description="retrieved: passages or questions with explanations, instead of --index"
    )
    top_k: Positive = Field(TOP_K, description="retrieved: how many passages")
    template: Literal[*TEMPLATES] = Field("cloze", description="how questions are written down")
    shuffle_options: bool = Field(
        False,
        description="list the options in a new order every epoch, but for scales; needs a template "
        "that lists them",
    )
    objective: Literal["completion", "options"] | None = Field(
        None,
        description="what to learn: completion (next token) or options (which one is right); "
        "default: completion for generative, options for multiple-choice",
    )
    max_length: Positive = Field(512, description="most tokens of a prompt with one option")
    recipe: Literal[*RECIPES] = Field(
        DEFAULT, description="what is trained; `mcqa recipes` says what each of them is"
    )
    quantization: Literal["nf4", "fp4", "int8", "none"] = Field(
        RECIPES[DEFAULT].quantizations[0],
        description="of the backbone; other recipes than qlora start from their own",
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto", description="compute type; auto is bfloat16 where the device has it"
    )
    device: str = Field("auto", description="torch device")
    lora_r: Positive = Field(16, description="LoRA rank")
    lora_alpha: float = Field(16, gt=0, description="LoRA scale")
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the adapter's input")
    rslora: bool = Field(True, description="scale by alpha / sqrt(r) instead of alpha / r")
    target_modules: tuple[str, ...] = Field(
        (),
        description="linear layers to adapt, or all-linear; default: Llama's seven projections "
        "where the model has them, else all linear layers below the head",
    )
    top_layers: Positive = Field(2, description="top-layers: how many of the last layers train")
    bottleneck_size: Positive = Field(64, description="adapter: width of the bottleneck")
    bottleneck_modules: tuple[str, ...] = Field(
        ("o_proj", "down_proj"), description="adapter: layers to put a bottleneck behind"
    )
    virtual_tokens: Positive = Field(20, description="prompt recipes: how many virtual tokens")
    prompt_encoder_size: Positive = Field(128, description="p-tuning: width of its network")
    adalora_initial_rank: Positive = Field(24, description="adalora: rank at the start")
    adalora_target_rank: Positive = Field(16, description="adalora: average rank at the end")
    relora_steps: Positive = Field(30, description="relora: merge and restart every N steps")
    relora_warmup: int = Field(5, ge=0, description="relora: steps of warm-up after a restart")


class TrainingConfig(HeadOptions, _BeforeTheHead):
    """Hold every setting of a run; the descriptions are the command line's help."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    learning_rate: float = Field(
        1e-3, gt=0, description="peak learning rate, then linear to 0; some recipes have their own"
    )
    warmup_steps: int = Field(10, ge=0, description="steps of linear warm-up")
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay")
    optimizer: Literal["adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "adamw_torch"] = (
        Field("adamw_8bit", description="optimizer; paged ones need a GPU")
    )
    epochs: float = Field(1.0, gt=0, description="passes over the training questions")
    max_steps: Positive | None = Field(None, description="stop after N optimizer steps")
    kind_weights: Annotated[tuple[str, ...], BeforeValidator(_as_pairs)] = Field(
        (), description="KIND=WEIGHT, to multiply the loss of a kind of questions: several=0.5"
    )
    batch_size: Positive = Field(16, description="questions a forward pass, in each process")
    accumulation: Positive = Field(1, description="forward passes an optimizer step")
    steps_between: Positive = Field(50, description="evaluate, save and log every N steps")
    report_to: Annotated[
        tuple[Literal["tensorboard", "wandb", "trackio"], ...], BeforeValidator(_as_trackers)
    ] = Field((), description="experiment tracker to log to: tensorboard, wandb, trackio or none")
    best_metric: Literal["loss", "accuracy"] = Field(
        "loss", description="which validation result decides what model is kept"
    )
    gradient_checkpointing: bool = Field(False, description="less memory, one more forward pass")
    seed: int = Field(
        0, ge=0, lt=2**32, description="seed of the adapter and of the order of questions"
    )
    resume: bool = Field(False, description="go on from the last checkpoint in the output folder")
    overwrite: bool = Field(False, description="replace what is in the output folder")

    @model_validator(mode="after")
    def _recipe_fits(self):
        recipe = RECIPES[self.recipe]
        starts = {"quantization": recipe.quantizations[0]} | recipe.defaults
        for name in starts.keys() - self.model_fields_set:
            self.__dict__[name] = starts[name]  # frozen, and not to count as given
        if self.quantization not in recipe.quantizations:
            raise ValueError(
                f"recipe {self.recipe} does not work on quantization {self.quantization}; "
                f"use {', '.join(recipe.quantizations)}"
            )
        others = [name for name in RECIPE_FIELDS if name not in recipe.settings]
        if unused := [name for name in others if self._is_changed(name)]:
            takes = ", ".join(recipe.settings) or "no settings of its own"
            raise ValueError(f"{', '.join(unused)}: recipe {self.recipe} takes {takes}")
        if self.recipe == "prefix-tuning" and self.gradient_checkpointing:
            raise ValueError("prefix-tuning does not go with gradient_checkpointing")
        return self

    @model_validator(mode="after")
    def _goes_together(self):
        if self.resume and self.overwrite:
            raise ValueError("resume and overwrite exclude each other; pass one of them")
        if self.validation_data is None and self.validation_split is None:
            if self.validation_limit is not None:
                raise ValueError("validation_limit needs validation_data or validation_split")
            if self.best_metric != "loss":
                raise ValueError("best_metric needs validation_data or validation_split")
        if self.validation_data is None and self.validation_split and len(self.data) > 1:
            raise ValueError("validation_split needs validation_data beside several sets of data")
        if self.shuffle_options and not TEMPLATES[self.template].lists_options:
            listing = " or ".join(name for name, one in TEMPLATES.items() if one.lists_options)
            raise ValueError(
                f"shuffle_options: template {self.template} does not show the options' order, so "
                f"that another one changes nothing; use {listing}"
            )
        parse_sources(self.data)
        parse_fields(self.field)
        parse_kind_weights(self.kind_weights)
        passages = [name for name in ("index", "corpus") if getattr(self, name) is not None]
        if self.context == "retrieved" and len(passages) != 1:
            raise ValueError("context retrieved needs either index or corpus")
        if self.context != "retrieved" and (passages or self._is_changed("top_k")):
            raise ValueError("index, corpus and top_k are for context retrieved")
        return self

    def _is_changed(self, name: str) -> bool:
        return getattr(self, name) != type(self).model_fields[name].default

    def recipe_settings(self) -> dict:
        """Return the settings that the recipe takes."""
        return {name: getattr(self, name) for name in RECIPES[self.recipe].settings}

    def reading(self) -> dict:
        """Return how rows are read, settings of `mcqa.data.open_questions`."""
        return {
            "format": self.data_format,
            "label_base": self.label_base,
            "fields": parse_fields(self.field),
            "skip_invalid": self.skip_invalid,
        }

    def going_on_from(self, earlier: dict) -> "TrainingConfig":
        """Return these settings with an earlier run's recipe, and its quantization by default.

        Raises:
            ConfigError: another recipe was asked for.
        """
        recipe = earlier.get("recipe", DEFAULT)
        if "recipe" in self.model_fields_set and self.recipe != recipe:
            raise ConfigError(
                f"recipe {self.recipe!r}: the run to go on from was trained with {recipe!r}, and "
                "training goes on with that. Leave recipe out, or start from the base model."
            )
        given = {name: getattr(self, name) for name in self.model_fields_set}
        kept = earlier.get("recipe_settings", {})
        starts = {"quantization": earlier["quantization"]}
        return _checked(starts | given | kept | {"recipe": recipe}, "settings")


def load_config(path: str | None, flags: dict) -> TrainingConfig:
    """Read a YAML file, if any, and let flags that are not None override it.

    A flag for data replaces its split, one for passages or for a context without any the passages.

    Raises:
        ConfigError: all faults at once, each with its field.
    """
    settings = {} if path is None else _read_yaml(Path(path))
    flags = {name: value for name, value in flags.items() if value is not None}
    replaced = {GO_WITH[flag] for flag in flags if flag in GO_WITH}
    if flags.get("context", "retrieved") != "retrieved":
        replaced |= {"index", "corpus", "top_k"}
    settings = {name: value for name, value in settings.items() if name not in replaced}
    return _checked(settings | flags, path or "settings")


def _checked(settings: dict, where: str) -> TrainingConfig:
    try:
        return TrainingConfig(**settings)
    except ValidationError as error:
        faults = "\n".join(f"  {_describe(fault)}" for fault in error.errors())
        raise ConfigError(f"{where} cannot be used:\n{faults}") from None


def _read_yaml(path: Path) -> dict:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: cannot be read as YAML ({reason}).") from error
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise ConfigError(f"{path}: a configuration is a list of `setting: value` lines.")
    return settings


def _describe(fault: dict) -> str:
    if not fault["loc"]:
        return fault["msg"].removeprefix("Value error, ")
    name = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"{name}: no such setting; there are: {', '.join(TrainingConfig.model_fields)}"
    return f"{name} = {fault['input']!r}: {fault['msg']}"
