"""What a formulation can be trained on: training examples and the batches made of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from heads.branching import pack
from mcqa.prompting.encoding import EncodedQuestion

IGNORED = -100


class Objective(NamedTuple):
    """Name a way to train.

    Args:
        name: how settings refer to it.
        example: (encoded question, tokenizer) -> a dict of token lists, `length` among them.
        collate: (examples, pad token) -> the keyword arguments of the model's forward.
        written: how many tokens the example has behind an option.
    """

    name: str
    example: Callable[[EncodedQuestion, object], dict]
    collate: Callable[[Sequence[dict], int], dict[str, torch.Tensor]]
    written: int = 0


def _completion_example(encoded: EncodedQuestion, tokenizer) -> dict:
    completion = [*encoded.continuations[encoded.question.label], tokenizer.eos_token_id]
    return {
        "input_ids": [*encoded.prefix, *completion],
        "labels": [IGNORED] * len(encoded.prefix) + completion,
        "length": len(encoded.prefix) + len(completion),
    }


def _collate_completions(examples: Sequence[dict], pad_token_id: int) -> dict[str, torch.Tensor]:
    rows = [example["input_ids"] for example in examples]
    batch = pack(rows, [[()]] * len(rows), pad_token_id)
    labels = torch.full_like(batch.input_ids, IGNORED)
    for row, example in zip(labels, examples, strict=True):
        row[: example["length"]] = torch.tensor(example["labels"])
    return {"input_ids": batch.input_ids, "branch_ids": batch.branch_ids, "labels": labels}


def _options_example(encoded: EncodedQuestion, tokenizer) -> dict:
    return {
        "prefix": list(encoded.prefix),
        "continuations": [list(tokens) for tokens in encoded.continuations],
        "label": encoded.question.label,
        "length": encoded.tokens,
    }


def _collate_options(examples: Sequence[dict], pad_token_id: int) -> dict[str, torch.Tensor]:
    batch = pack(
        [example["prefix"] for example in examples],
        [example["continuations"] for example in examples],
        pad_token_id,
    )
    return batch.as_dict() | {"labels": torch.tensor([example["label"] for example in examples])}


# The right answer's tokens and an end-of-sequence token, after the prompt: plain causal rows.
COMPLETION = Objective("completion", _completion_example, _collate_completions, written=1)
# Which option is right, among all of them: branched rows.
OPTIONS = Objective("options", _options_example, _collate_options)
