"""From rows to branches: find the prefix that a question's options share, and keep one copy.

The usual multiple-choice batch is (B, O, T): every option behind its own copy of the question.
Which tokens are real is read from the attention mask alone, on whatever side the padding is.
The trap: identical options, or one that is the beginning of another, share everything. Every
option keeps at least its last token, or it would have none to be pooled from.
"""

from itertools import takewhile

import torch
from torch import Tensor

from .branching import BranchedBatch, lay_out


def branch_rows(
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    option_mask: Tensor | None = None,
    share_prefix: bool = True,
) -> BranchedBatch:
    """Return the branched batch of (B, O, T) rows.

    Args:
        attention_mask: (B, O, T) 1 for real tokens; all are by default.
        option_mask: (B, O) False for options that do not exist; by default those without tokens.
        share_prefix: compute a shared prefix once; spans and scores are the same without.

    Raises:
        ValueError: shapes do not fit, an existing option has no token, or a question no option.
    """
    is_real = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    if is_real.shape != input_ids.shape:
        raise ValueError(
            f"attention_mask has shape {tuple(is_real.shape)}, input_ids "
            f"{tuple(input_ids.shape)}: they must be the same."
        )
    tokens_BOT, is_real = input_ids.cpu(), is_real.cpu().bool()
    has_tokens = is_real.any(-1)
    exists = has_tokens if option_mask is None else option_mask.cpu().bool()
    if exists.shape != has_tokens.shape:
        raise ValueError(
            f"option_mask has shape {tuple(exists.shape)}, must be {tuple(has_tokens.shape)}: "
            "one value for each option."
        )
    if (empty := exists & ~has_tokens).any():
        question, option = empty.nonzero()[0].tolist()
        raise ValueError(f"option {option} of question {question} exists but has no tokens.")
    questions = []
    for question, of_question in enumerate(exists):
        present = of_question.nonzero().flatten().tolist()
        if not present:
            raise ValueError(f"question {question} of the batch has no option.")
        rows = [tokens_BOT[question, i][is_real[question, i]].tolist() for i in present]
        length = shared_length(rows)
        options = [(i, row[length:]) for i, row in zip(present, rows, strict=True)]
        questions.append((rows[0][:length], options))
    return lay_out(questions, input_ids.shape[1], branched=share_prefix).to(input_ids.device)


def shared_length(rows: list[list[int]]) -> int:
    """Return how many tokens all rows begin with, at least one being left to each.

    >>> shared_length([[1, 2, 3, 4], [1, 2, 5]]), shared_length([[1, 2], [1, 2, 3]])
    (2, 1)
    """
    same = takewhile(lambda column: len(set(column)) == 1, zip(*rows, strict=False))
    return min(len(list(same)), min(map(len, rows)) - 1)
