"""What a formulation can be trained on: the batches made of encoded questions with their labels."""

import operator
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
        length: tokens that a question takes.
        collate: (questions, tokenizer) -> the keyword arguments of the model's forward.
        written: how many tokens stand behind an option.
    """

    name: str
    length: Callable[[EncodedQuestion], int]
    collate: Callable[[Sequence[EncodedQuestion], object], dict[str, torch.Tensor]]
    written: int = 0


def _completion_length(encoded: EncodedQuestion) -> int:
    return len(encoded.prefix) + len(encoded.continuations[encoded.question.label]) + 1


def _collate_completions(questions: Sequence[EncodedQuestion], tokenizer) -> dict:
    answers = [(*e.continuations[e.question.label], tokenizer.eos_token_id) for e in questions]
    rows = [(*e.prefix, *answer) for e, answer in zip(questions, answers, strict=True)]
    batch = pack(rows, [[()]] * len(rows), tokenizer.pad_token_id)
    labels = torch.full_like(batch.input_ids, IGNORED)
    for of_row, row, answer in zip(labels, rows, answers, strict=True):
        of_row[len(row) - len(answer) : len(row)] = torch.tensor(answer)
    return {"input_ids": batch.input_ids, "branch_ids": batch.branch_ids, "labels": labels}


def _collate_options(questions: Sequence[EncodedQuestion], tokenizer) -> dict:
    batch = pack(
        [encoded.prefix for encoded in questions],
        [encoded.continuations for encoded in questions],
        tokenizer.pad_token_id,
    )
    labels = torch.tensor([encoded.question.label for encoded in questions])
    return batch.as_dict() | {"labels": labels}


# The right answer's tokens and an end-of-sequence token, after the prompt: plain causal rows.
COMPLETION = Objective("completion", _completion_length, _collate_completions, written=1)
# Which option is right, among all of them: branched rows.
OPTIONS = Objective("options", operator.attrgetter("tokens"), _collate_options)
