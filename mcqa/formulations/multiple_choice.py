"""Multiple choice: a head gives every option a scalar, and a softmax chooses among them.

Trained on which option is right, so it can only ever answer with one of them. Decoders get the head
of `heads`; encoders keep the one of transformers' own classes. A decoder that was trained with a
next-token loss beside that keeps its LM head and can be scored by text too.
"""

from collections.abc import Sequence

from transformers import AutoModelForMultipleChoice

from heads.encoder import ENCODERS, encoder_class, head_modules, is_encoder
from heads.multiple_choice import HEAD_NAME, DecoderForMultipleChoice
from heads.settings import HeadSettings
from mcqa.errors import ConfigError, ModelError
from mcqa.formulations import likelihoods
from mcqa.formulations.head import HeadOptions
from mcqa.formulations.layout import score_in_order
from mcqa.formulations.objectives import OPTIONS
from mcqa.models.backbones import has_head, load_weights, model_config
from mcqa.prediction import Prediction
from mcqa.prompting.encoding import EncodedQuestion

NAME = "multiple_choice"
HAS_HEAD = True
OBJECTIVES = {OPTIONS.name: OPTIONS}
ENCODER_SETTINGS = ("loss", "label_smoothing")


def head_settings(path: str, tokenizer, options: HeadOptions) -> dict:
    """Return the head's settings as the model's config keeps them, see `heads.HeadSettings`.

    An encoder's head is what its class makes it: only what it is trained on can be set, else
    ConfigError.
    """
    words = tuple(_single_token(tokenizer, word) for word in options.head_words) or None
    same_names = HeadOptions.model_fields.keys() - {"head_init", "head_words"}
    given = options.model_dump(include=same_names)
    settings = HeadSettings(init=options.head_init, words=words, **given).as_dict()
    config = model_config(path)
    if not is_encoder(config):
        return settings
    of_decoder = [n for n in options.changed_head() if n not in (*ENCODER_SETTINGS, "head_words")]
    if of_decoder:
        raise ConfigError(
            f"{', '.join(of_decoder)}: only for the head of decoders; an encoder "
            f"({config.model_type}) has the head of its own class. Leave it out."
        )
    return {name: settings[name] for name in ENCODER_SETTINGS}


def _single_token(tokenizer, word: str) -> int:
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise ConfigError(
            f"head_words: {word!r} is {len(ids)} tokens of this tokenizer; name a word that is "
            "one, with the space before it where it has one."
        )
    return ids[0]


def default_scorer(objective: str | None) -> str:
    """Return the default scorer: the head, always."""
    return "head"


def available_scorers(head: dict | None) -> tuple[str, ...]:
    """Return `head`, and the scorers by text where training kept the LM head."""
    return tuple(SCORERS) if (head or {}).get("lm_loss_weight") else ("head",)


def load_backbone(path: str, *, head: dict | None = None, **settings):
    """Load a decoder or an encoder with its head, or a new one; see `load_weights`.

    `head` is from `head_settings`, by default what the model's config says.
    """
    settings |= {"multiple_choice": head} if head else {}
    config = model_config(path)
    as_saved = has_head(config) and head in (None, getattr(config, "multiple_choice", None))
    if is_encoder(config):
        settings["may_lack"] = None if as_saved else head_modules
        return _head_in_float32(load_weights(encoder_class(config.model_type), path, **settings))

    def may_lack(model) -> list[str]:
        if not isinstance(model, DecoderForMultipleChoice):
            raise ModelError(
                f"model {path!r} is a {type(model).__name__}: the multiple-choice formulation "
                "needs a decoder (a causal language model), or an encoder of type "
                f"{', '.join(ENCODERS)}."
            )
        return [] if as_saved else [HEAD_NAME]

    return load_weights(AutoModelForMultipleChoice, path, may_lack=may_lack, **settings)


def empty_backbone(path: str, *, head: dict | None = None, **dtype):
    """Return what `load_backbone` would, untrained; without `dtype` in the configuration's."""
    config = model_config(path)
    if is_encoder(config):
        return _head_in_float32(encoder_class(config.model_type)(config).to(**dtype))
    return AutoModelForMultipleChoice.from_config(config, multiple_choice=head, **dtype)


def _head_in_float32(model):
    """Return an encoder whose head, that comes in the trunk's type if it is new, is in float32."""
    for name in head_modules(model):
        model.get_submodule(name).float()
    return model


def prepare_for_training(model):
    """Return the model: its forward already takes branched batches and labels."""
    return model


def score_head(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
    """Score each option by the head's scalar."""
    scores = score_in_order(
        lambda packed: model(**packed.to(model.device).as_dict()).logits,
        [encoded.prefix for encoded in batch],
        batch,
    )
    rows = is_encoder(model.config)
    tokens = [encoded.row_tokens if rows else encoded.tokens for encoded in batch]
    return likelihoods.predictions(batch, scores, "head", tokens, unit="logit")


SCORERS = {"head": score_head, **likelihoods.TEXT_SCORERS}
JUDGES = frozenset(likelihoods.TEXT_SCORERS)
WRITES = dict.fromkeys(SCORERS, 0)
TEMPLATES = dict.fromkeys(SCORERS, "cloze")
