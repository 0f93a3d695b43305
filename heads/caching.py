"""Run a branched batch without masks of ours: segments behind a KV cache, or a row for each path.

For attention that takes no mask of ours, and for prefixes so long that one would not pay. What is
cached is padded on the left, so that it touches the tokens behind it: distances between tokens are
then distances between positions, which is what sliding windows and flash attention count.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from .branching import PADDING, reach_of_branches
from .virtual_tokens import PromptedTrunk


def run_rows(
    trunk: nn.Module, input_ids: Tensor, position_ids: Tensor, branch_ids: Tensor, reach=None
) -> Tensor:
    """Run one row per path from a root to where its tree ends.

    Returns (R * T, D) hidden states in the order of the branched batch, 0 for padding.
    """
    rows, kept, last = [], [], PADDING
    for segment in _segments(branch_ids, reach):
        if segment.ends:
            rows.append(torch.cat((segment.path, segment.own)))
            # Every copy of an ancestor is the same; gradients must come through one of them.
            kept.append(rows[-1] > last)
            last = int(rows[-1][-1])
    index, keep = _padded(rows, input_ids.device), _padded(kept, input_ids.device, value=False)
    hidden = _run(trunk, input_ids, position_ids, index, (index >= 0).long(), use_cache=False)
    result = hidden.new_zeros(input_ids.numel(), hidden.shape[-1])
    return result.index_put((index[keep],), hidden[keep])


def run_cached(
    trunk: nn.Module,
    input_ids: Tensor,
    position_ids: Tensor,
    branch_ids: Tensor,
    reach: Tensor | None = None,
    cache: DynamicCache | None = None,
) -> Tensor:
    """Do as `run_rows`, but without gradients: what segments continue is cached, level by level.

    `cache` may have keys and values of the first tokens of every row, whose states are then 0.
    """
    first = 0 if cache is None else cache.get_seq_length()
    cache = DynamicCache() if cache is None else cache
    levels = _levels(branch_ids, reach)
    known = branch_ids.new_ones(len(levels[0]), first)
    row_of, result = {}, None
    for depth, level in enumerate(levels):
        own = [segment.own[0 if depth else first :] for segment in level]
        own = _padded(own, input_ids.device, left=depth == first == 0)
        if depth > 0:
            rows = [row_of[int(segment.path[-1])] for segment in level]
            rows = torch.tensor(rows, device=own.device)
            cache.batch_select_indices(rows)
            known = known[rows]
            if depth > 1 or first:
                known = _move_padding_left(cache, known)
        known = torch.cat((known, (own >= 0).long()), dim=1)
        arguments = {"past_key_values": cache, "use_cache": True}
        hidden = _run(trunk, input_ids, position_ids, own, known, **arguments)
        if result is None:
            result = hidden.new_zeros(input_ids.numel(), hidden.shape[-1])
        result[own[own >= 0]] = hidden[own >= 0]
        row_of = {int(segment.own[-1]): row for row, segment in enumerate(level)}
    return result


class _Segment(NamedTuple):
    """Hold where a segment's tokens and its ancestors' stand in the flattened batch."""

    path: Tensor
    own: Tensor
    depth: int  # how many ancestors have tokens
    ends: bool  # whether nothing continues it


def _segments(branch_ids: Tensor, reach: Tensor | None) -> list[_Segment]:
    """Return all segments that have tokens, row by row, depth first."""
    reach = reach_of_branches(branch_ids) if reach is None else reach
    segments = []
    for row, (branches, until) in enumerate(zip(branch_ids.cpu(), reach.cpu(), strict=True)):
        names, lengths = branches.unique_consecutive(return_counts=True)
        first = row * len(branches)
        start = 0
        for name, length in zip(names.tolist(), lengths.tolist(), strict=True):
            if name != PADDING:
                path = (until[:start] > start).nonzero().squeeze(1)
                depth = len(branches[path].unique())
                own = torch.arange(start, start + length)
                ends = int(until[start]) == start + length
                segments.append(_Segment(path + first, own + first, depth, ends))
            start += length
    return segments


def _levels(branch_ids: Tensor, reach: Tensor | None) -> list[list[_Segment]]:
    """Return the segments by their depth."""
    segments = _segments(branch_ids, reach)
    deepest = max(segment.depth for segment in segments)
    return [[s for s in segments if s.depth == depth] for depth in range(deepest + 1)]


def _move_padding_left(cache: DynamicCache, known: Tensor) -> Tensor:
    """Bring what is cached together, behind its padding; return the (R, T) mask of it."""
    order = known.argsort(dim=1, stable=True)
    for layer in cache.layers:
        if layer.is_initialized:
            layer.keys = layer.keys.take_along_dim(order[:, None, :, None], dim=2)
            layer.values = layer.values.take_along_dim(order[:, None, :, None], dim=2)
    return known.gather(1, order)


def _padded(rows: list[Tensor], device, value=-1, left: bool = False) -> Tensor:
    side = "left" if left else "right"
    padded = pad_sequence(rows, batch_first=True, padding_value=value, padding_side=side)
    return padded.to(device)


def _run(trunk, input_ids, position_ids, index, attention_mask, **arguments) -> Tensor:
    token = index.clamp(min=0)
    # Whole rows every decoder counts itself, also one that takes no positions.
    if arguments["use_cache"] or isinstance(trunk, PromptedTrunk):
        arguments["position_ids"] = position_ids.flatten()[token]
    arguments |= {"input_ids": input_ids.flatten()[token], "attention_mask": attention_mask}
    return trunk(**arguments).last_hidden_state
