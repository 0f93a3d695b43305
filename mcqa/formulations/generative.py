"""Generative: a prompt, an answer. Trained on the answer's tokens, or on telling the options
apart by their likelihood; answers by likelihood, by the next letter, or by decoding.
"""

from heads.likelihood import add_training_forward
from mcqa.backbones import load_config, load_weights
from mcqa.formulations import decoding, likelihoods
from mcqa.formulations.objectives import COMPLETION, OPTIONS

NAME = "generative"
HEAD = None
SETTINGS = ()
OBJECTIVES = {objective.name: objective for objective in (COMPLETION, OPTIONS)}
SCORERS = {
    **likelihoods.TEXT_SCORERS,
    "letter": likelihoods.score_letter,
    "constrained": decoding.decode_constrained,
    "generate": decoding.generate,
}
TEMPLATES = dict.fromkeys(SCORERS, "cloze") | {"letter": "lettered", "generate": "lettered"}


def head_settings(tokenizer) -> None:
    """Return None: there is no head to set."""


def default_scorer(objective: str | None) -> str:
    """Return the scorer to ask with: what `options` trains is the sum that `text` scores by."""
    return "text" if objective == OPTIONS.name else "text-mean"


def available_scorers(head: None) -> tuple[str, ...]:
    """Return the names of all scorers; every language model has an LM head."""
    return tuple(SCORERS)


def load_backbone(path: str, *, head: None = None, **settings):
    """Load a causal LM or an encoder-decoder; see `mcqa.backbones.load_weights`."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    seq2seq = load_config(path).is_encoder_decoder
    auto_class = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
    return load_weights(auto_class, path, **settings)


prepare_for_training = add_training_forward
