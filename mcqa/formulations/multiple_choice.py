"""Multiple choice: a head gives every option a scalar, and a softmax chooses among them.

Trained on which option is right, so it can only ever answer with one of them. Where it was trained
with a next-token loss beside that, the model keeps its LM head and can be scored by text too.
"""

from collections.abc import Sequence

from heads.branching import pack
from heads.multiple_choice import HEAD_NAME, DecoderForMultipleChoice
from heads.settings import HeadSettings
from mcqa.backbones import load_weights
from mcqa.encoding import EncodedQuestion
from mcqa.errors import ConfigError, ModelError
from mcqa.evaluation.predictions import Prediction
from mcqa.formulations import likelihoods
from mcqa.formulations.layout import lay_out
from mcqa.formulations.objectives import OPTIONS

NAME = "multiple_choice"
HEAD = HEAD_NAME
OBJECTIVES = {OPTIONS.name: OPTIONS}
SETTINGS = (
    "pooling",
    "interaction",
    "head_init",
    "head_words",
    "loss",
    "label_smoothing",
    "lm_loss_weight",
)


def head_settings(
    tokenizer,
    *,
    pooling: str,
    interaction: str,
    head_init: str,
    head_words: Sequence[str],
    loss: str,
    label_smoothing: float,
    lm_loss_weight: float,
) -> dict:
    """Return the head's settings as the model's config keeps them, see `heads.HeadSettings`.

    Raises:
        ConfigError: a value is not allowed, or a word is more than one token.
    """
    words = tuple(_single_token(tokenizer, word) for word in head_words) or None
    try:
        return HeadSettings(
            pooling=pooling,
            interaction=interaction,
            init=head_init,
            words=words,
            loss=loss,
            label_smoothing=label_smoothing,
            lm_loss_weight=lm_loss_weight,
        ).as_dict()
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _single_token(tokenizer, word: str) -> int:
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise ConfigError(
            f"head_words: {word!r} is {len(ids)} tokens of this tokenizer; name a word that is "
            "one, with the space before it where it has one."
        )
    return ids[0]


def default_scorer(objective: str | None) -> str:
    """Return the scorer to ask with: the head, always."""
    return "head"


def available_scorers(head: dict | None) -> tuple[str, ...]:
    """Return `head`, and the scorers by text where training kept the LM head."""
    return tuple(SCORERS) if (head or {}).get("lm_loss_weight") else ("head",)


def load_backbone(path: str, *, head: dict | None = None, **settings):
    """Load a decoder with an untrained head; see `mcqa.backbones.load_weights`.

    Args:
        path: a folder or a Hub id.
        head: from `head_settings`; by default what the model's config says.
        settings: passed on.

    Raises:
        ModelError: nothing can be loaded, or it is not a decoder.
    """
    from transformers import AutoModelForMultipleChoice

    own = {"multiple_choice": head} if head else {}
    model = load_weights(AutoModelForMultipleChoice, path, model_settings=own, **settings)
    if not isinstance(model, DecoderForMultipleChoice):
        raise ModelError(
            f"model {path!r} is a {type(model).__name__}: the multiple-choice formulation needs a "
            "decoder (a causal language model)."
        )
    return model


def prepare_for_training(model):
    """Return the model: its forward already takes branched batches and labels."""
    return model


def score_head(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
    """Score each option by the head's scalar."""
    options, places = zip(*(lay_out(e.continuations) for e in batch), strict=True)
    packed = pack([e.prefix for e in batch], options)
    logits_BO = model(**packed.to(model.device).as_dict()).logits.tolist()
    return [
        Prediction.scored(
            encoded.question,
            [logits[at] for at in where],
            unit="logit",
            scorer="head",
            tokens=encoded.tokens,
        )
        for encoded, logits, where in zip(batch, logits_BO, places, strict=True)
    ]


SCORERS = {"head": score_head, **likelihoods.TEXT_SCORERS}
TEMPLATES = dict.fromkeys(SCORERS, "cloze")
