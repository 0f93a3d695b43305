"""What a formulation can be trained on: the batches made of encoded questions with their labels.

A question whose kind has a loss of its own, or that has soft labels, is told to the model by
`targets` and `losses`, and a kind that has a weight by `weights`; see `heads.losses.mixed_loss`. A
batch without any of these has labels alone.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from heads.branching import pack
from heads.targets import OWN, TARGET_LOSSES
from mcqa.kinds import KINDS
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.question import Question

IGNORED = -100
EQUAL: Mapping[str, float] = MappingProxyType({})
_LOSSES = {loss.__name__: number for number, loss in enumerate(TARGET_LOSSES)}


class Objective(NamedTuple):
    """Name a way to train.

    `collate(questions, tokenizer, weights={})` makes of questions what the forward takes; `weights`
    says by a kind's name what its questions' losses are multiplied by.
    """

    name: str
    length: Callable[[EncodedQuestion], int]  # tokens that a question takes
    collate: Callable[..., dict[str, Tensor]]
    written: int = 0  # tokens behind an option
    soft: bool = True  # whether soft labels can be learned


def _weights(questions: Sequence[Question], weights: Mapping[str, float]) -> Tensor:
    return torch.tensor([float(weights.get(question.kind, 1)) for question in questions])


def _completion_length(encoded: EncodedQuestion) -> int:
    return len(encoded.prefix) + len(encoded.continuations[encoded.question.label]) + 1


def _collate_completions(
    questions: Sequence[EncodedQuestion], tokenizer, weights: Mapping[str, float] = EQUAL
) -> dict:
    answers = [(*e.continuations[e.question.label], tokenizer.eos_token_id) for e in questions]
    rows = [(*e.prefix, *answer) for e, answer in zip(questions, answers, strict=True)]
    batch = pack(rows, [[()]] * len(rows), tokenizer.pad_token_id)
    labels = torch.full_like(batch.input_ids, IGNORED)
    for of_row, row, answer in zip(labels, rows, answers, strict=True):
        of_row[len(row) - len(answer) : len(row)] = torch.tensor(answer)
    made = {"input_ids": batch.input_ids, "branch_ids": batch.branch_ids, "labels": labels}
    if weights:
        made["weights"] = _weights([encoded.question for encoded in questions], weights)
    return made


def _collate_options(
    questions: Sequence[EncodedQuestion], tokenizer, weights: Mapping[str, float] = EQUAL
) -> dict:
    prefixes = [encoded.prefix for encoded in questions]
    options = [encoded.continuations for encoded in questions]
    batch = pack(prefixes, options, tokenizer.pad_token_id).as_dict()
    return batch | _gold([encoded.question for encoded in questions], weights)


def _gold(questions: Sequence[Question], weights: Mapping[str, float]) -> dict[str, Tensor]:
    """Return the right options of questions as the forward takes them, labels alone if it can."""
    targets = list(map(_targets, questions))
    labels = torch.tensor([max(range(len(one)), key=one.__getitem__) for one in targets])
    losses = list(map(_loss, questions))
    if set(losses) == {OWN} and not weights:
        return {"labels": labels}
    return {
        "labels": labels,
        "targets": pad_sequence(list(map(torch.tensor, targets)), batch_first=True),
        "losses": torch.tensor(losses),
        "weights": _weights(questions, weights),
    }


def _loss(question: Question) -> int:
    named = KINDS[question.kind].loss
    return OWN if named is None and question.targets is None else _LOSSES[named or "softmax"]


def _targets(question: Question) -> tuple[float, ...]:
    """Return the soft labels of a question, or 1 for each right option and 0 for the others."""
    if question.targets is not None:
        return question.targets
    right = {question.label} if isinstance(question.label, int) else set(question.label)
    return tuple(float(index in right) for index in range(len(question.options)))


# The right answer's tokens and an end-of-sequence token, after the prompt: plain causal rows.
COMPLETION = Objective(
    "completion", _completion_length, _collate_completions, written=1, soft=False
)
# Which option is right, among all of them: branched rows.
OPTIONS = Objective("options", operator.attrgetter("tokens"), _collate_options)
