"""Multiple choice: a head gives every option a scalar, and a softmax chooses among them.

Trained on which option is right, so it can only ever answer with one of them.
"""

from collections.abc import Sequence

import torch

from heads.branching import pack
from heads.multiple_choice import HEAD_NAME, LlamaForMultipleChoice
from mcqa.backbones import load_weights
from mcqa.encoding import EncodedQuestion
from mcqa.evaluation.predictions import Prediction

NAME = "multiple_choice"
HEAD = HEAD_NAME
DEFAULT_SCORER = "head"
TEMPLATES = {"head": "cloze"}


def load_backbone(path: str, **settings):
    """Load a decoder with an untrained head; see `mcqa.backbones.load_weights`."""
    return load_weights(LlamaForMultipleChoice, path, **settings)


def prepare_for_training(model):
    """Return the model: its forward already takes what `collate` gives."""
    return model


def training_example(encoded: EncodedQuestion, tokenizer) -> dict:
    """Return the prefix, every option's tokens, and which one is right."""
    return {
        "prefix": list(encoded.prefix),
        "continuations": [list(tokens) for tokens in encoded.continuations],
        "label": encoded.question.label,
        "length": encoded.tokens,
    }


def collate(examples: Sequence[dict], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Pack training examples into a branched batch with (B,) labels."""
    batch = pack(
        [example["prefix"] for example in examples],
        [example["continuations"] for example in examples],
        pad_token_id,
    )
    return batch.as_dict() | {"labels": torch.tensor([example["label"] for example in examples])}


def _score_head(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
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


SCORERS = {"head": _score_head}
