"""Generative: a prompt, an answer. Trained on the answer's tokens, or on telling the options
apart by their likelihood; answers by likelihood, by the next letter, or by decoding.
"""

from heads.encoder import is_encoder
from heads.likelihood import add_training_forward
from mcqa.errors import ModelError
from mcqa.formulations import decoding, likelihoods
from mcqa.formulations.objectives import COMPLETION, OPTIONS
from mcqa.models.backbones import load_weights, model_config

NAME = "generative"
HAS_HEAD = False
OBJECTIVES = {objective.name: objective for objective in (COMPLETION, OPTIONS)}
SCORERS = {
    **likelihoods.TEXT_SCORERS,
    "letter": likelihoods.score_letter,
    "constrained": decoding.decode_constrained,
    "generate": decoding.generate,
}
JUDGES = frozenset(SCORERS)
WRITES = dict.fromkeys(SCORERS, 0) | {"constrained": 1, "generate": decoding.MAX_NEW_TOKENS}
TEMPLATES = dict.fromkeys(SCORERS, "cloze") | {"letter": "lettered", "generate": "lettered"}


def head_settings(path: str, tokenizer, options) -> None:
    """Return None: there is no head to set."""


def default_scorer(objective: str | None) -> str:
    """Return the default scorer: what `options` trains is the sum that `text` scores by."""
    return "text" if objective == OPTIONS.name else "text-mean"


def available_scorers(head: None) -> tuple[str, ...]:
    """Return the names of all scorers; every language model has an LM head."""
    return tuple(SCORERS)


def load_backbone(path: str, *, head: None = None, **settings):
    """Load a causal LM or an encoder-decoder; see `mcqa.models.backbones.load_weights`."""
    return load_weights(_auto_class(path), path, **settings)


def empty_backbone(path: str, *, head: None = None, **dtype):
    """Return what `load_backbone` would, untrained; without `dtype` in the configuration's."""
    return _auto_class(path).from_config(model_config(path), **dtype)


def _auto_class(path: str):
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = model_config(path)
    if is_encoder(config):
        raise ModelError(
            f"model {path!r} is an encoder ({config.model_type}): it cannot continue a text. Tune "
            "it with `mcqa train multiple-choice`, then score the run."
        )
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


prepare_for_training = add_training_forward
