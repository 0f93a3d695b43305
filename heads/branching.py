"""Run a question once and let its options branch off it inside one sequence.

    tokens     q1 q2 q3 | a1 a2 | b1 | c1 c2 c3
    positions   0  1  2 |  3  4 |  3 |  3  4  5
    c2 sees     x  x  x |       |    |  x  x

An option's tokens get the positions they would have right after the prefix, and an attention
mask that shows them the prefix and themselves, never a sibling. So every hidden state is what
a row of its own, prefix + option, would have given, at a fraction of the tokens.

Both layouts, branched (`pack`) and one row per option (`pack_rows`, the reference), are the same
structure, and everything behind the decoder reads it alike: an option is a span of the batch's
flattened tokens, plus the token it continues from. The trap this avoids: looking for an option by
comparing token lists goes wrong as soon as one option is a prefix of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

PADDING = -1
PREFIX = 0


@dataclass(frozen=True)
class BranchedBatch:
    """Hold the token rows of B questions with up to O options.

    Args:
        input_ids: (R, T) tokens; R is B when branched, the number of options otherwise.
        position_ids: (R, T) positions, restarting at the end of the prefix for every option.
        branch_ids: (R, T) -1 for padding, 0 for the prefix, 1.. for the options of that row.
        option_spans: (B, O, 2) half-open token ranges into the R * T flattened tokens. That of an
            option without tokens stands right behind the prefix.
        fork: (B, O) flattened index of the prefix's last token, which an option continues from
            (without a prefix, of its own first token); -1 where a question has fewer options.
    """

    input_ids: Tensor
    position_ids: Tensor
    branch_ids: Tensor
    option_spans: Tensor
    fork: Tensor

    @property
    def option_mask(self) -> Tensor:
        """(B, O) True where an option exists."""
        return self.fork >= 0

    def to(self, device) -> "BranchedBatch":
        """Return the batch with every tensor on `device`."""
        return BranchedBatch(**{k: v.to(device) for k, v in self.as_dict().items()})

    def as_dict(self) -> dict[str, Tensor]:
        """Return the tensors by name, as keyword arguments for a model."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def pack(
    prefixes: Sequence[Sequence[int]],
    continuations: Sequence[Sequence[Sequence[int]]],
    pad_token_id: int = 0,
) -> BranchedBatch:
    """Lay out each question as one row: its prefix, then its options side by side.

    Args:
        prefixes: B token lists, none empty.
        continuations: for each question its options' token lists (an option may be empty).
        pad_token_id: any valid token; padding is told apart by `branch_ids`, never by value.

    Raises:
        ValueError: a prefix is empty, or the two lists differ in length.

    >>> batch = pack([[5, 6, 7]], [[[1, 2], [3]]])
    >>> batch.position_ids.tolist(), batch.branch_ids.tolist()
    ([[0, 1, 2, 3, 4, 3]], [[0, 0, 0, 1, 1, 2]])
    """
    rows = [
        (prefix, list(enumerate(options)))
        for prefix, options in zip(prefixes, continuations, strict=True)
    ]
    return lay_out(rows, list(range(len(rows))), _check(prefixes, continuations), pad_token_id)


def pack_rows(
    prefixes: Sequence[Sequence[int]],
    continuations: Sequence[Sequence[Sequence[int]]],
    pad_token_id: int = 0,
) -> BranchedBatch:
    """Lay out each option as a row of its own, behind a copy of its prefix: the reference.

    Takes and returns what `pack` does; every row is a plain causal sequence.
    """
    rows, questions = [], []
    for question, (prefix, options) in enumerate(zip(prefixes, continuations, strict=True)):
        for index, option in enumerate(options):
            rows.append((prefix, [(index, option)]))
            questions.append(question)
    return lay_out(rows, questions, _check(prefixes, continuations), pad_token_id)


def _check(prefixes, continuations) -> tuple[int, int]:
    """Return B and O of a batch whose prefixes all have tokens."""
    for question, prefix in enumerate(prefixes):
        if not prefix:
            raise ValueError(f"question {question} of the batch has an empty prefix.")
    return len(prefixes), max(map(len, continuations))


def lay_out(
    rows, questions: Sequence[int], shape: tuple[int, int], pad_token_id: int
) -> BranchedBatch:
    """Fill the tensors of a batch, row by row.

    Args:
        rows: (prefix, [(option index, option tokens), ...]) of each row.
        questions: which question each row belongs to.
        shape: B and O.
        pad_token_id: any valid token.
    """
    lengths = [len(prefix) + sum(len(tokens) for _, tokens in options) for prefix, options in rows]
    n_rows, n_tokens = len(rows), max(lengths)
    n_questions, n_options = shape
    input_ids = torch.full((n_rows, n_tokens), pad_token_id)
    position_ids = torch.zeros((n_rows, n_tokens), dtype=torch.long)
    branch_ids = torch.full((n_rows, n_tokens), PADDING)
    option_spans = torch.zeros((n_questions, n_options, 2), dtype=torch.long)
    fork = torch.full((n_questions, n_options), -1)
    for row, ((prefix, options), question) in enumerate(zip(rows, questions, strict=True)):
        tokens, positions = list(prefix), list(range(len(prefix)))
        branches = [PREFIX] * len(prefix)
        for branch, (index, option) in enumerate(options, 1):
            end_of_prefix = row * n_tokens + len(prefix)
            start = row * n_tokens + len(tokens) if option else end_of_prefix
            option_spans[question, index] = torch.tensor((start, start + len(option)))
            fork[question, index] = end_of_prefix - 1 if prefix else end_of_prefix
            tokens.extend(option)
            positions.extend(range(len(prefix), len(prefix) + len(option)))
            branches.extend([branch] * len(option))
        input_ids[row, : len(tokens)] = torch.tensor(tokens)
        position_ids[row, : len(tokens)] = torch.tensor(positions)
        branch_ids[row, : len(tokens)] = torch.tensor(branches)
    return BranchedBatch(input_ids, position_ids, branch_ids, option_spans, fork)


def attention_mask(
    branch_ids: Tensor,
    dtype: torch.dtype,
    position_ids: Tensor | None = None,
    window: int | None = None,
) -> Tensor:
    """Return what the decoder needs to keep siblings apart.

    Rows with at most one option each are plain causal sequences: the usual (R, T) mask serves.
    Otherwise an additive (R, 1, T, T) mask of `dtype`, 0 where a token may look. A padding token
    sees itself, so that no row of the softmax is all masked (it would turn into NaN).

    Args:
        branch_ids: (R, T), see `BranchedBatch`.
        dtype: of the mask that is added to the attention scores.
        position_ids: (R, T), needed with `window`.
        window: how many tokens back a token of a sliding-window layer sees, itself included.
            Counted in positions: between an option and its prefix stand its siblings.
    """
    if is_plain(branch_ids):
        return (branch_ids != PADDING).long()
    n_tokens = branch_ids.shape[1]
    key, query = branch_ids[:, None, :], branch_ids[:, :, None]
    causal = torch.ones(n_tokens, n_tokens, dtype=torch.bool, device=branch_ids.device).tril()
    seen = causal & (key != PADDING) & ((key == PREFIX) | (key == query))
    if window is not None:
        seen &= position_ids[:, :, None] - position_ids[:, None, :] < window
    seen |= torch.eye(n_tokens, dtype=torch.bool, device=branch_ids.device)
    mask = torch.zeros(seen.shape, dtype=dtype, device=branch_ids.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


def is_plain(branch_ids: Tensor) -> bool:
    """Say whether every row is a plain causal sequence, with at most one option."""
    return bool(branch_ids.max() <= 1)


class OptionTokens(NamedTuple):
    """The N option tokens of a batch, as indices into its flattened tokens.

    Args:
        owner: (N,) which option a token belongs to, as question * O + option.
        token: (N,) where the token stands.
        source: (N,) the token before it, whose hidden state predicts it.
    """

    owner: Tensor
    token: Tensor
    source: Tensor


def option_tokens(option_spans: Tensor, fork: Tensor) -> OptionTokens:
    """List the tokens of all options of a batch, option by option."""
    start, end = option_spans.reshape(-1, 2).unbind(-1)
    length = end - start
    owner = torch.repeat_interleave(length)
    first = length.cumsum(0) - length
    offset = torch.arange(len(owner), device=owner.device) - first[owner]
    token = start[owner] + offset
    source = torch.where(offset == 0, fork.reshape(-1)[owner], token - 1)
    return OptionTokens(owner, token, source)
