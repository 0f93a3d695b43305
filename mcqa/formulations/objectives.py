"""What a formulation can be trained on: the batches made of encoded questions with their labels."""

import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from heads.branching import pack
from mcqa.prompting.encoding import EncodedQuestion

IGNORED = -100


class Objective(NamedTuple):
    """Name a way to train; `collate` makes of questions and tokenizer what the forward takes."""

    name: str
    length: Callable[[EncodedQuestion], int]  # tokens that a question takes
    collate: Callable[[Sequence[EncodedQuestion], object], dict[str, torch.Tensor]]
    written: int = 0  # tokens behind an option


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
    prefixes = [encoded.prefix for encoded in questions]
    options = [encoded.continuations for encoded in questions]
    labels = torch.tensor([encoded.question.label for encoded in questions])
    return pack(prefixes, options, tokenizer.pad_token_id).as_dict() | {"labels": labels}


# The right answer's tokens and an end-of-sequence token, after the prompt: plain causal rows.
COMPLETION = Objective("completion", _completion_length, _collate_completions, written=1)
# Which option is right, among all of them: branched rows.
OPTIONS = Objective("options", operator.attrgetter("tokens"), _collate_options)
