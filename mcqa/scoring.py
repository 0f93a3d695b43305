"""The public API: load a scorer by model name, give it questions, get predictions.

scorer = mcqa.load_scorer("runs/demo/multiple_choice")
result = scorer.score(mcqa.Question(stem="...", options=("...", "...")))
result.scores, result.probabilities, result.choice, result.unit
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from mcqa.backbones import (
    ModelReference,
    context_length,
    load_tokenizer,
    pick_device,
    resolve_model,
)
from mcqa.checkpoints import attach_adapter, read_record
from mcqa.encoding import EncodedQuestion, Encoder
from mcqa.errors import ConfigError, ModelError
from mcqa.evaluation.predictions import Prediction
from mcqa.formulations import NAMES, get_formulation
from mcqa.prompts import get_template
from mcqa.question import Question

MAX_LENGTH = 2048


class Scorer:
    """Turn questions into predictions with one model, one template and one scorer.

    Made by `load_scorer`.

    Args:
        model: a transformers model on its device; adapters may be inside it.
        tokenizer: its tokenizer.
        encoder: writes questions down as token ids.
        name: the scorer's name, one of the formulation's.
        formulation: the module of the formulation.
    """

    def __init__(self, model, tokenizer, encoder: Encoder, name: str, formulation):
        self.model = model
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.name = name
        self.formulation = formulation.NAME
        self._score = formulation.SCORERS[name]

    @property
    def template(self) -> str:
        """The name of the template that questions are written with."""
        return self.encoder.template.name

    def score(self, question: Question) -> Prediction:
        """Score one question's options.

        Raises:
            EncodingError: its options do not fit into the model's context.
        """
        return self.score_many([question])[0]

    def score_many(
        self,
        questions: Sequence[Question],
        batch_size: int = 16,
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Prediction]:
        """Score questions, longest first, and return their predictions in the order given.

        Args:
            questions: what to answer; labels are carried through, never looked at.
            batch_size: questions a forward pass; scores do not depend on it, beyond rounding.
            on_progress: called after each batch with how many questions it had.

        Raises:
            ConfigError: the batch size is not positive.
            EncodingError: a question's options do not fit into the model's context.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size {batch_size}: must be at least 1.")
        encoded = self.encoder.encode(questions)
        predictions: list[Prediction | None] = [None] * len(encoded)
        for indices in _batches(encoded, batch_size):
            batch = [encoded[index] for index in indices]
            with torch.inference_mode():
                results = self._score(self.model, self.tokenizer, batch)
            for index, prediction in zip(indices, results, strict=True):
                predictions[index] = prediction
            if on_progress:
                on_progress(len(indices))
        return predictions


def _batches(encoded: Sequence[EncodedQuestion], batch_size: int) -> Iterator[list[int]]:
    """Yield indices of questions of like length; the longest first shows early what fits."""
    order = sorted(range(len(encoded)), key=lambda index: -encoded[index].tokens)
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def load_scorer(
    model: str,
    scorer: str | None = None,
    *,
    template: str | None = None,
    quantization: str | None = None,
    dtype: str | None = None,
    device: str = "auto",
    max_length: int | None = None,
) -> Scorer:
    """Load whatever a model name means, ready to score.

    Args:
        model: `smollm2-135m`, a local folder, a Hub id, or a run folder.
        scorer: `text`, `text-mean`, `letter` or `generate` (generative), `head` (multiple
            choice); by default `head` or `text-mean`, as the model allows.
        template: by default the run's own, else the scorer's usual one.
        quantization: `nf4`, `int8` or `none`; by default the run's own, else `none`.
        dtype: `auto`, `bfloat16`, `float16` or `float32`; by default the run's own, else `auto`.
        device: `auto` or a torch device.
        max_length: the most tokens of a prompt with one option; by default the run's own, else
            what the model can take, up to 2,048.

    Raises:
        ModelError: the name means no model, or a run folder is incomplete or damaged.
        ConfigError: a setting is unknown, or the scorer does not go with the model or template.
    """
    reference = resolve_model(model)
    record = read_record(reference.path) if reference.kind == "run" else {}
    config = {} if record else _model_config(reference)
    formulation = get_formulation(record.get("formulation") or _formulation_of(config))
    head = record.get("head") or config.get("multiple_choice")
    name = scorer or formulation.DEFAULT_SCORER
    _check_scorer(name, formulation, formulation.available_scorers(head), model)
    chosen = get_template(template or record.get("template") or formulation.TEMPLATES[name])
    if name == "letter" and not chosen.lists_options:
        raise ConfigError(
            f"scorer 'letter' needs a template that lists the options with letters; "
            f"{chosen.name!r} does not. Use --template lettered."
        )
    base = resolve_model(record["base_model"]) if record else reference
    backbone = formulation.load_backbone(
        base.path,
        head=head,
        quantization=quantization or record.get("quantization", "none"),
        dtype=dtype or record.get("dtype", "auto"),
        device=pick_device(device),
    )
    tokenizer = load_tokenizer(reference.path)
    length = max_length or record.get("max_length") or min(context_length(backbone), MAX_LENGTH)
    if record:
        backbone = attach_adapter(backbone, reference.path, record).get_base_model()
    return Scorer(backbone, tokenizer, Encoder(tokenizer, chosen, length), name, formulation)


def _check_scorer(name: str, formulation, available: Sequence[str], model: str) -> None:
    if name in available:
        return
    allowed = ", ".join(available)
    if any(name in get_formulation(other).SCORERS for other in NAMES):
        raise ConfigError(
            f"scorer {name!r} does not go with {model!r}, which is {formulation.NAME}: "
            f"use {allowed}."
        )
    raise ConfigError(f"scorer {name!r} does not exist; for {model!r} there are: {allowed}.")


def _model_config(reference: ModelReference) -> dict:
    """Read the config.json of a model folder."""
    if reference.kind != "folder":
        return {}
    path = Path(reference.path) / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not JSON ({error}).") from error


def _formulation_of(config: dict) -> str:
    """Tell a saved multiple-choice model from a causal LM by its architecture."""
    architecture = (config.get("architectures") or [""])[0]
    return "multiple_choice" if architecture.endswith("ForMultipleChoice") else "generative"
