"""Lay out trees of token segments, so that every token is computed once.

    tokens     s1 s2 | q1 q2 | a1 a2 | b1 | r1 | c1      state s, its questions q and r, options
    positions   0  1 |  2  3 |  4  5 |  4 |  2 |  3      a and b of q, c of r
    b1 sees     x  x |  x  x |       |  x |    |

Every token has a segment and every segment a parent, but for the root that begins a row. A token
sees its segment up to itself and all ancestors, and positions count along the path: so every hidden
state is what a row of its own would have given. A question and its options are the tree of depth
two (`pack`); one row per option (`pack_rows`, the reference) are trees that branch nowhere.

Segments stand depth first, so all that may see a token stands in one piece, from the token to the
end of its segment's last descendant. That end is the token's `reach`, and all that masks need.

An option is a span of the batch's flattened tokens, plus the token it continues from.
The trap: an option that is looked for by its tokens may be the beginning of another.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

PADDING = -1
PREFIX = 0

Tokens = Sequence[int]


class Segment(NamedTuple):
    """Hold tokens, possibly none, and the number of the segment they continue, None for a root."""

    tokens: Tokens
    parent: int | None = None


@dataclass(frozen=True)
class BranchedBatch:
    """Hold R rows of tokens, a tree each, for B questions with up to O options.

    Args:
        input_ids: (R, T); R is B where every question is a tree of its own, less where questions
            share one, the number of options with one row per option.
        position_ids: (R, T), going on from its parent's end in every segment.
        branch_ids: (R, T) -1 for padding, 0 for the root, 1.. for the row's other segments, depth
            first.
        option_spans: (B, O, 2) half-open token ranges into the R * T flattened tokens. That of an
            option without tokens stands right behind the prefix.
        fork: (B, O) flattened index of the prefix's last token, which an option continues from
            (without a prefix, of its own first token); -1 where a question has fewer options.
        reach: (R, T) the place in the row where the last token that sees this one ends, counted as
            Python counts the end of a slice; 0 for padding. None if all branches leave the root.
    """

    input_ids: Tensor
    position_ids: Tensor
    branch_ids: Tensor
    option_spans: Tensor
    fork: Tensor
    reach: Tensor | None = None

    @property
    def option_mask(self) -> Tensor:
        """(B, O) True where an option exists."""
        return self.fork >= 0

    @property
    def tokens(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """What the trunk is run on: input_ids, position_ids, branch_ids, reach."""
        return self.input_ids, self.position_ids, self.branch_ids, self.reach

    def to(self, device) -> "BranchedBatch":
        """Return the batch with every tensor on `device`."""
        return BranchedBatch(**{k: v.to(device) for k, v in self.as_dict().items()})

    def as_dict(self) -> dict[str, Tensor]:
        """Return the tensors by name, as keyword arguments for a model."""
        return {name: tensor for name, tensor in vars(self).items() if tensor is not None}


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
    segments, options = [], []
    for prefix, texts in zip(prefixes, continuations, strict=True):
        if not prefix:
            raise ValueError(f"question {len(options)} of the batch has an empty prefix.")
        root = len(segments)
        segments += [Segment(prefix), *(Segment(text, root) for text in texts)]
        options.append(range(root + 1, len(segments)))
    if not branched:
        segments, options = untangled(segments, options)
    return lay_out(segments, options, pad_token_id)


pack_rows = functools.partial(pack, branched=False)


def untangled(
    segments: Sequence[Segment], options: Sequence[Sequence[int | None]]
) -> tuple[list[Segment], list[list[int | None]]]:
    """Return the segments of the same questions with each option behind a copy of its path."""
    plain, of_questions = [], []
    for of_question in options:
        places = []
        for option in of_question:
            if option is not None:
                tokens, parent = segments[option]
                plain += [Segment(path_tokens(segments, parent)), Segment(tokens, len(plain))]
            places.append(None if option is None else len(plain) - 1)
        of_questions.append(places)
    return plain, of_questions


def path_tokens(segments: Sequence[Segment], number: int | None) -> list[int]:
    """Return the tokens from a root to the end of a segment."""
    path = []
    while number is not None:
        tokens, number = segments[number]
        path[:0] = tokens
    return path


def lay_out(
    segments: Sequence[Segment],
    options: Sequence[Sequence[int | None]],
    pad_token_id: int = 0,
) -> BranchedBatch:
    """Fill the tensors of a batch; every root begins a row.

    Args:
        segments: parents before their children.
        options: for each question the numbers of its options' segments; None where an option does
            not exist. Questions may share segments.
    """
    children, roots = [[] for _ in segments], []
    for number, (_, parent) in enumerate(segments):
        (roots if parent is None else children[parent]).append(number)
    rows = [_lay_out_row(segments, children, root) for root in roots]
    n_tokens = max(len(row.columns[0]) for row in rows)
    input_ids = torch.full((len(rows), n_tokens), pad_token_id)
    position_ids, reach = torch.zeros_like(input_ids), torch.zeros_like(input_ids)
    branch_ids = torch.full_like(input_ids, PADDING)
    columns = input_ids, position_ids, branch_ids, reach
    spans = {}
    for number, row in enumerate(rows):
        for of_batch, of_row in zip(columns, row.columns, strict=True):
            of_batch[number, : len(of_row)] = torch.tensor(of_row, dtype=torch.long)
        first = number * n_tokens
        spans |= {segment: [first + n for n in span] for segment, span in row.spans.items()}
    shape, absent = (len(options), max(map(len, options))), (0, 0, -1)
    spans_BO3 = torch.tensor(absent).expand(*shape, 3).clone()
    for spans_O3, of_question in zip(spans_BO3, options, strict=True):
        table = [absent if option is None else spans[option] for option in of_question]
        spans_O3[: len(table)] = torch.tensor(table, dtype=torch.long).view(-1, 3)
    options_BO = spans_BO3[..., :2].contiguous(), spans_BO3[..., 2].contiguous()
    return BranchedBatch(input_ids, position_ids, branch_ids, *options_BO, reach)


class _Row(NamedTuple):
    """Hold tokens, positions, segments and reach of a row, and each segment's start, end, fork."""

    columns: tuple[list[int], list[int], list[int], list[int]]
    spans: dict[int, tuple[int, int, int]]


def _lay_out_row(segments: Sequence[Segment], children: Sequence[Sequence[int]], root: int) -> _Row:
    order, waiting = [], [root]
    while waiting:
        order.append(waiting.pop())
        waiting += reversed(children[order[-1]])
    tokens, positions, branches, reach = [], [], [], []
    spans, length, last = {}, {None: 0}, {None: -1}  # length and last token of the path
    for branch, number in enumerate(order):
        own, parent = segments[number]
        start = len(tokens) if own else last[parent] + 1
        spans[number] = start, start + len(own), start if last[parent] < 0 else last[parent]
        length[number] = length[parent] + len(own)
        last[number] = start + len(own) - 1
        tokens += own
        positions += range(length[parent], length[number])
        branches += [branch] * len(own)
    until = {number: end for number, (_, end, _) in spans.items()}
    for number in reversed(order[1:]):
        parent = segments[number].parent
        until[parent] = max(until[parent], until[number])
    for number in order:
        reach += [until[number]] * len(segments[number].tokens)
    return _Row((tokens, positions, branches, reach), spans)


def is_plain(branch_ids: Tensor) -> bool:
    """Say whether every row is a plain causal sequence, with at most one option."""
    return bool(branch_ids.max() <= 1)


def reach_of_branches(branch_ids: Tensor) -> Tensor:
    """Return the `reach` of rows whose branches all leave the root, padded on the right."""
    real, branch = branch_ids != PADDING, branch_ids.clamp(min=PREFIX)
    end = torch.arange(1, branch_ids.shape[1] + 1, device=branch_ids.device) * real
    ends = torch.zeros(len(end), end.shape[1] + 1, dtype=end.dtype, device=end.device)
    ends.scatter_reduce_(1, branch, end, "amax")
    ends[:, PREFIX] = real.sum(1)
    return ends.gather(1, branch) * real


def path_to(place: int, branch_ids: Tensor, reach: Tensor | None) -> Tensor:
    """Return where the path to a token stands, itself included; all in the flattened tokens."""
    row, end = divmod(place, branch_ids.shape[1])
    reach = reach_of_branches(branch_ids[row, None])[0] if reach is None else reach[row]
    return (reach[: end + 1] > end).nonzero().squeeze(1) + (place - end)


def branch_sight(
    branch_ids: Tensor,
    position_ids: Tensor | None,
    window: int | None,
    reach: Tensor | None = None,
    first: int = 0,
) -> Callable:
    """Return the function (row, head, query, key) -> may the query see the key?

    A padding token sees itself, so that no row of the softmax is all masked (it would turn into
    NaN). A sliding window is counted in positions: between an option and its prefix stand siblings.

    Args:
        reach: see `BranchedBatch`.
        first: where in its row the first query stands; keys are those of the whole row.
    """
    reach = reach_of_branches(branch_ids) if reach is None else reach

    def sees(row, head, query, key):
        query = query + first
        sight = (key <= query) & (query < reach[row, key])
        if window is not None:
            sight = sight & (position_ids[row, query] - position_ids[row, key] < window)
        return sight | (query == key)

    return sees


def attention_mask(
    branch_ids: Tensor,
    dtype: torch.dtype,
    position_ids: Tensor | None = None,
    window=None,
    reach: Tensor | None = None,
    first: int = 0,
) -> Tensor:
    """Return the usual (R, T) mask of plain rows, or else an additive (R, 1, T - first, T).

    That is of `dtype` and 0 where a token may look; with a `window` only so many positions back,
    itself included.
    """
    if is_plain(branch_ids):
        return (branch_ids != PADDING).long()
    rows, tokens = (torch.arange(n, device=branch_ids.device) for n in branch_ids.shape)
    sees = branch_sight(branch_ids, position_ids, window, reach, first)
    seen = sees(rows[:, None, None], None, tokens[: len(tokens) - first, None], tokens)
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
