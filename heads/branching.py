"""Run a question once and let its options branch off it inside one sequence.

    tokens     q1 q2 q3 | a1 a2 | b1 | c1 c2 c3
    positions   0  1  2 |  3  4 |  3 |  3  4  5
    c2 sees     x  x  x |       |    |  x  x

So every hidden state is what a row of its own would have given.

Both layouts, branched (`pack`) and one row per option (`pack_rows`, the reference), are one
structure: an option is a span of the batch's flattened tokens, plus the token it continues from.
The trap: an option that is looked for by its tokens may be the beginning of another.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PADDING = -1
PREFIX = 0


@dataclass(frozen=True)
class BranchedBatch:
    """Hold the token rows of B questions with up to O options.

    Args:
        input_ids: (R, T); R is B when branched, the number of options otherwise.
        position_ids: (R, T), restarting at the end of the prefix for every option.
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
        return dict(vars(self))


Tokens = Sequence[int]


def pack(
    prefixes: Sequence[Tokens],
    continuations: Sequence[Sequence[Tokens]],
    pad_token_id: int = 0,
    branched: bool = True,
) -> BranchedBatch:
    """Lay out each question as one row: its prefix, then its options side by side.

    Args:
        prefixes: B token lists, none empty.
        continuations: for each question its options' token lists (an option may be empty).
        pad_token_id: any valid token; padding is told apart by `branch_ids`, never by value.
        branched: or, as `pack_rows`, a plain row per option behind a copy of its prefix.

    >>> batch = pack([[5, 6, 7]], [[[1, 2], [3]]])
    >>> batch.position_ids.tolist(), batch.branch_ids.tolist()
    ([[0, 1, 2, 3, 4, 3]], [[0, 0, 0, 1, 1, 2]])
    """
    questions = []
    for prefix, options in zip(prefixes, continuations, strict=True):
        if not prefix:
            raise ValueError(f"question {len(questions)} of the batch has an empty prefix.")
        questions.append((prefix, list(enumerate(options))))
    return lay_out(questions, max(map(len, continuations)), branched, pad_token_id)


pack_rows = functools.partial(pack, branched=False)


def lay_out(
    questions: Sequence[tuple], n_options: int, branched: bool, pad_token_id: int = 0
) -> BranchedBatch:
    """Fill the tensors of a batch from each question's (prefix, [(index, option), ...]).

    Options that are not `branched`, or have no prefix to branch off, get a row each.
    """
    rows = []
    for question, (prefix, options) in enumerate(questions):
        groups = [options] if branched and prefix else [[option] for option in options]
        rows += [(question, prefix, group) for group in groups]
    n_tokens = max(len(prefix) + sum(len(o) for _, o in options) for _, prefix, options in rows)
    input_ids = torch.full((len(rows), n_tokens), pad_token_id)
    position_ids = torch.zeros_like(input_ids)
    branch_ids = torch.full_like(input_ids, PADDING)
    option_spans = torch.zeros((len(questions), n_options, 2), dtype=torch.long)
    fork = torch.full((len(questions), n_options), -1)
    for row, (question, prefix, options) in enumerate(rows):
        tokens, positions = list(prefix), list(range(len(prefix)))
        branches = [PREFIX] * len(prefix)
        end_of_prefix = row * n_tokens + len(prefix)
        for branch, (index, option) in enumerate(options, 1):
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


def is_plain(branch_ids: Tensor) -> bool:
    """Say whether every row is a plain causal sequence, with at most one option."""
    return bool(branch_ids.max() <= 1)


def branch_sight(branch_ids: Tensor, position_ids: Tensor | None, window: int | None) -> Callable:
    """Return the function (row, head, query, key) -> may the query see the key?

    A padding token sees itself, so that no row of the softmax is all masked (it would turn into
    NaN). A sliding window is counted in positions: between an option and its prefix stand siblings.
    """

    def sees(row, head, query, key):
        of_query, of_key = branch_ids[row, query], branch_ids[row, key]
        sight = (key <= query) & (of_key != PADDING) & ((of_key == PREFIX) | (of_key == of_query))
        if window is not None:
            sight = sight & (position_ids[row, query] - position_ids[row, key] < window)
        return sight | (query == key)

    return sees


def attention_mask(
    branch_ids: Tensor, dtype: torch.dtype, position_ids: Tensor | None = None, window=None
) -> Tensor:
    """Return the usual (R, T) mask of plain rows, or else an additive (R, 1, T, T) of `dtype`.

    That is 0 where a token may look; with a `window` only so many positions back, itself included.
    """
    if is_plain(branch_ids):
        return (branch_ids != PADDING).long()
    rows, tokens = (torch.arange(n, device=branch_ids.device) for n in branch_ids.shape)
    sees = branch_sight(branch_ids, position_ids, window)
    seen = sees(rows[:, None, None], None, tokens[:, None], tokens)
    mask = torch.zeros(seen.shape, dtype=dtype, device=branch_ids.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


def option_tokens(option_spans: Tensor, fork: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """List the N tokens of all options of a batch, option by option.

    Returns:
        For each token its option, as question * O + option; where it stands in the flattened
        tokens; and where the token before it does, whose hidden state predicts it. (N,) each.
    """
    start, end = option_spans.reshape(-1, 2).unbind(-1)
    length = end - start
    owner = torch.repeat_interleave(length)
    first = length.cumsum(0) - length
    offset = torch.arange(len(owner), device=owner.device) - first[owner]
    token = start[owner] + offset
    source = torch.where(offset == 0, fork.reshape(-1)[owner], token - 1)
    return owner, token, source
