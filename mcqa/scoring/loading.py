"""The public API: load a scorer by model name, give it questions, get predictions.

result = mcqa.load_scorer("runs/demo/multiple_choice").score(question)
result.scores, result.probabilities, result.choice, result.unit
"""

import os
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

from heads.encoder import is_encoder
from mcqa.errors import ConfigError
from mcqa.formulations import NAMES, get_formulation
from mcqa.models import backbones
from mcqa.models.names import ModelReference, pinned, resolve_model
from mcqa.models.recipes.building import scoring_model
from mcqa.models.sharing import shared_model, shares_base
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.parsing import FALLBACKS, PARSERS
from mcqa.prompting.prompts import Shots, get_template
from mcqa.question import Question
from mcqa.retrieval.contexts import Contexts
from mcqa.retrieval.index import PassageIndex
from mcqa.runs.trained import attach_adapter, base_of, by_kind, read_record
from mcqa.scoring.averaging import AveragingScorer
from mcqa.scoring.scorer import Scorer

MAX_LENGTH = 2048


class Found(NamedTuple):
    """Hold what a model name means, and the scorer to use with it, before weights are loaded.

    `record` is a run's `run.json`, empty for what is no run; `head` the settings of its head.
    """

    reference: ModelReference
    record: dict
    formulation: ModuleType
    head: dict | None
    scorer: str

    @property
    def base(self) -> ModelReference:
        """The model itself, or the one that the run was trained on."""
        return base_of(self.reference.path, self.record) if self.record else self.reference

    @property
    def commit(self) -> str | None:
        """The commit of the Hub model that is scored, or that the run was trained on."""
        return self.record.get("base_commit") if self.record else self.reference.commit

    def context(self, wanted: str | None, *, passages: bool) -> str:
        """Return the kind of context wanted, else that of training, where that can be had."""
        own = self.record.get("context", {})
        kind = wanted or own.get("kind", "data")
        if wanted is None and kind == "retrieved" and not passages:
            raise ConfigError(
                f"{self.reference.name!r} was trained with passages of {own.get('source')!r}, and "
                "is scored with retrieved ones by default: give --index or --corpus, or "
                "another --context."
            )
        return kind


def look_up(model: str, scorer: str | None = None) -> Found:
    """Find out what a model name means, and that the scorer goes with it; as `load_scorer`."""
    reference = pinned(resolve_model(model))
    record = read_record(reference.path) if reference.kind == "run" else {}
    config = None if record else backbones.model_config(reference.path)
    of_config = "multiple_choice" if config and backbones.has_head(config) else "generative"
    formulation = get_formulation(record.get("formulation") or of_config)
    head = record.get("head") or getattr(config, "multiple_choice", None)
    name = scorer or formulation.default_scorer(record.get("objective"))
    allowed = formulation.available_scorers(head)
    if name not in allowed:
        if any(name in get_formulation(other).SCORERS for other in NAMES):
            fault = f"does not go with {model!r}, which is {formulation.NAME}: use"
        else:
            fault = f"does not exist; for {model!r} there are:"
        raise ConfigError(f"scorer {name!r} {fault} {', '.join(allowed)}.")
    return Found(reference, record, formulation, head, name)


def load_scorer(
    model: str,
    scorer: str | None = None,
    *,
    template: str | None = None,
    quantization: str | None = None,
    dtype: str | None = None,
    device: str = "auto",
    max_length: int | None = None,
    shots: Shots | None = None,
    context: str | None = None,
    index: PassageIndex | str | os.PathLike | None = None,
    top_k: int | None = None,
    held_out: Sequence[Question] = (),
    chat: bool = False,
    system: str | None = None,
    parser: str = "strict",
    fallback: str = "none",
    orders: str | int | None = None,
    seed: int = 0,
) -> Scorer:
    """Load whatever a model name means, ready to score.

    Scorers on the same base, quantized and loaded alike, share its weights: do not change them.
    By default template, quantization, dtype, max_length, context and top_k are the run's own; else
    the scorer's usual template, `none`, `auto`, what the model takes up to 2,048, `data` and 3.

    Args:
        model: `smollm2-135m`, a local folder, a Hub id (`owner/name`, or `owner/name@revision`), or
            a run folder.
        scorer: `text`, `text-mean`, `text-char`, `pmi`, `letter`, `constrained` or `generate`
            (generative), `head` (multiple choice); by default `head`, `text` for a run trained
            with the objective `options`, or `text-mean`.
        quantization: `nf4`, `fp4`, `int8` or `none`.
        dtype: `auto`, `bfloat16`, `float16` or `float32`.
        device: `auto` or a torch device.
        max_length: the most tokens of a prompt with one option.
        shots: worked examples to put before each question.
        context: what a question gets to read before it, `data`, `none`, `gold` or `retrieved`, see
            `mcqa.retrieval.contexts.Contexts`.
        index, top_k: passages, or the folder that `mcqa index` wrote, and how many to retrieve.
        held_out: all questions that will be scored, whose passages are not retrieved.
        chat, system: write the prompt as turns of the model's chat template; a system message.
        parser: how `generate` reads an answer, `strict` or `lenient`.
        fallback: how `generate` answers what it cannot read: `text`, as that scorer, or `none`.
        orders: score every question in several orders of its options, `cyclic`, `all` or so many
            drawn with `seed`, and give each option its mean score: see `mcqa.scoring.averaging`.

    Raises:
        ModelError: the name means no model, or a run folder is incomplete or damaged.
        ConfigError: a setting is unknown, or the scorer does not go with the model or template.
    """
    found = look_up(model, scorer)
    reference, record, formulation, head, name = found
    reading = _reading_settings(name, parser, fallback)
    if orders is not None and formulation.WRITES[name]:
        raise ConfigError(
            f"orders: scorer {name!r} writes an answer and gives no scores to average."
        )
    context = found.context(context, passages=index is not None)
    if context == "retrieved":
        top_k = top_k or record.get("context", {}).get("top_k")
    contexts = Contexts(context, index=index, top_k=top_k, held_out=held_out)
    prompt = {"shots": shots, "contexts": contexts, "chat": chat, "system": system}
    chosen = get_template(template or record.get("template") or formulation.TEMPLATES[name])
    if name == "letter" and not chosen.lists_options:
        raise ConfigError(
            f"scorer 'letter' needs a template that lists the options with letters; "
            f"{chosen.name!r} does not. Use --template lettered."
        )
    if name == "pmi" and chat:
        raise ConfigError(
            "scorer 'pmi' compares with a prompt without a question, and a chat has none. "
            "Leave out --chat, or use text."
        )
    if orders is not None and not chosen.lists_options:
        warnings.warn(
            f"orders: template {chosen.name!r} does not list the options. Every order costs a "
            "scoring, and changes no score.",
            stacklevel=2,
        )
    device = backbones.pick_device(device)
    compute = backbones.pick_dtype(dtype or record.get("dtype", "auto"), device)
    how = {
        "head": head,
        "quantization": quantization or record.get("quantization", "none"),
        "dtype": str(compute).removeprefix("torch."),
        "device": device,
    }
    if shares_base(record):
        backbone, held = shared_model(formulation.load_backbone, found.base.path, **how)
    else:
        backbone, held = formulation.load_backbone(found.base.path, **how), None
    tokenizer = backbones.load_tokenizer(reference.path)
    length = _pick_length(max_length, record, backbone, name, formulation.WRITES[name])
    if record:
        backbone = scoring_model(attach_adapter(backbone, reference.path, record))
    prompt["pairs"] = is_encoder(backbone.config)
    encoder = Encoder(tokenizer, chosen, length, apart=backbone.config.is_encoder_decoder, **prompt)
    reading["calibration"] = _calibration(record, encoder, name)
    given = backbone, tokenizer, encoder, name, formulation
    if orders is None:
        return Scorer(*given, base=held, **reading)
    if chosen.lists_options:  # means are other scores than those that it was fitted on
        reading["calibration"] = None
    return AveragingScorer(*given, base=held, orders=orders, seed=seed, **reading)


def _calibration(record: dict, encoder: Encoder, scorer: str) -> dict[str, dict] | None:
    """Return a run's calibration where its questions are scored as they were to fit it."""
    fitted = by_kind(record.get("calibration") or {})
    fitted = {kind: one for kind, one in fitted.items() if one.get("scorer") == scorer}
    same = fitted and record["template"] == encoder.template.name
    same = same and encoder.contexts.same_as(record.get("context", {"kind": "data"}))
    return fitted if same and not (encoder.shots or encoder.chat) else None


def _pick_length(wanted: int | None, record: dict, backbone, scorer: str, written: int) -> int:
    room = backbones.context_length(backbone, written)
    room -= (record.get("recipe_settings") or {}).get("virtual_tokens", 0)
    if wanted and wanted > room:
        besides = f" besides the {written} that scorer {scorer!r} writes" if written else ""
        raise ConfigError(
            f"max_length {wanted}: the model's positions reach {room} tokens only{besides}."
        )
    return min(wanted or record.get("max_length") or MAX_LENGTH, room)


def _reading_settings(scorer: str, parser: str, fallback: str) -> dict:
    for name, value, allowed in (("parser", parser, PARSERS), ("fallback", fallback, FALLBACKS)):
        if value not in allowed:
            raise ConfigError(f"{name} {value!r} does not exist; there are: {', '.join(allowed)}.")
    if scorer == "generate":
        return {"parser": parser, "fallback": fallback}
    if (parser, fallback) != ("strict", "none"):
        raise ConfigError(f"parser and fallback are settings of 'generate', not of {scorer!r}.")
    return {}
