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
        input_ids: (B, O, T) tokens.
        attention_mask: (B, O, T) 1 for real tokens; all are by default.
        option_mask: (B, O) False for options that do not exist; by default those without tokens.
        share_prefix: compute a shared prefix once; spans and scores are the same without.

    Raises:
        ValueError: shapes do not fit, an existing option has no token, or a question no option.
    """
    rows_BO = _token_lists(input_ids, attention_mask)
    exists_BO = [[bool(tokens) for tokens in rows] for rows in rows_BO]
    if option_mask is not None:
        _check_options(option_mask, input_ids, exists_BO)
        exists_BO = option_mask.bool().tolist()
    rows = []
    for question, (candidates, exists) in enumerate(zip(rows_BO, exists_BO, strict=True)):
        present = [(i, tokens) for i, tokens in enumerate(candidates) if exists[i]]
        if not present:
            raise ValueError(f"question {question} of the batch has no option.")
        length = shared_length([tokens for _, tokens in present])
        prefix = present[0][1][:length]
        branches = [(i, tokens[length:]) for i, tokens in present]
        together = share_prefix and length > 0
        groups = [branches] if together else [[branch] for branch in branches]
        rows += [(question, prefix, group) for group in groups]
    return lay_out(rows, tuple(input_ids.shape[:2]), pad_token_id=0).to(input_ids.device)


def shared_length(rows: list[list[int]]) -> int:
    """Return how many tokens all rows begin with, at least one being left to each.

    >>> shared_length([[1, 2, 3, 4], [1, 2, 5]]), shared_length([[1, 2], [1, 2, 3]])
    (2, 1)
    """
    same = takewhile(lambda column: len(set(column)) == 1, zip(*rows, strict=False))
    return min(len(list(same)), min(map(len, rows)) - 1)


def _token_lists(input_ids: Tensor, attention_mask: Tensor | None) -> list[list[list[int]]]:
    if attention_mask is None:
        return input_ids.tolist()
    if attention_mask.shape != input_ids.shape:
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}, input_ids "
            f"{tuple(input_ids.shape)}: they must be the same."
        )
    pairs = zip(input_ids.flatten(0, 1), attention_mask.bool().flatten(0, 1), strict=True)
    rows = [row[real].tolist() for row, real in pairs]
    n_options = input_ids.shape[1]
    return [rows[start : start + n_options] for start in range(0, len(rows), n_options)]


def _check_options(option_mask: Tensor, input_ids: Tensor, has_tokens: list[list[bool]]) -> None:
    if option_mask.shape != input_ids.shape[:2]:
        raise ValueError(
            f"option_mask has shape {tuple(option_mask.shape)}, must be "
            f"{tuple(input_ids.shape[:2])}: one value for each option."
        )
    empty = option_mask.bool().cpu() & ~torch.tensor(has_tokens)
    if empty.any():
        question, option = empty.nonzero()[0].tolist()
        raise ValueError(f"option {option} of question {question} exists but has no tokens.")
