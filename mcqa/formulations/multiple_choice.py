"""Multiple choice: a head gives every option a scalar, and a softmax chooses among them.

Trained on which option is right, so it can only ever answer with one of them.
"""

from collections.abc import Sequence

from heads.branching import pack
from heads.multiple_choice import HEAD_NAME, LlamaForMultipleChoice
from mcqa.backbones import load_weights
from mcqa.encoding import EncodedQuestion
from mcqa.evaluation.predictions import Prediction
from mcqa.formulations.objectives import OPTIONS

NAME = "multiple_choice"
HEAD = HEAD_NAME
OBJECTIVES = {OPTIONS.name: OPTIONS}


def load_backbone(path: str, **settings):
    """Load a decoder with an untrained head; see `mcqa.backbones.load_weights`."""
    return load_weights(LlamaForMultipleChoice, path, **settings)


def prepare_for_training(model):
    """Return the model: its forward already takes branched batches and labels."""
    return model


def score_head(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
    """Score each option by the head's scalar."""
    packed = pack([e.prefix for e in batch], [e.continuations for e in batch])
    logits_BO = model(**packed.to(model.device).as_dict()).logits.tolist()
    return [
        Prediction.scored(
            encoded.question,
            logits[: len(encoded.continuations)],
            unit="logit",
            scorer="head",
            tokens=encoded.tokens,
        )
        for encoded, logits in zip(batch, logits_BO, strict=True)
    ]


SCORERS = {"head": score_head}
DEFAULT_SCORER = "head"
TEMPLATES = {"head": "cloze"}
