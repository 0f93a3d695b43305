"""Run the options of a branched batch apart from each other: cached prefix, or one row each.

For attention that takes no mask of ours, and for prefixes so long that one would not pay. Cached
prefixes are padded on the left, so that prefix and option touch: distances between tokens are then
distances between positions, which is what sliding windows and flash attention count.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from .branching import PREFIX
from .virtual_tokens import PromptedTrunk


def run_rows(trunk: nn.Module, input_ids: Tensor, position_ids: Tensor, branch_ids: Tensor):
    """Run one row per option, each behind a copy of its prefix.

    Returns (R * T, D) hidden states in the order of the branched batch, 0 for padding.
    """
    rows, kept = [], []
    for prefix, options in _pieces(branch_ids):
        for number, option in enumerate(options or [prefix.new_empty(0)]):
            rows.append(torch.cat((prefix, option)))
            # Every copy of a prefix is the same; gradients must come through one of them.
            kept.append(torch.arange(len(rows[-1])) >= (len(prefix) if number else 0))
    index, keep = _padded(rows, input_ids.device), _padded(kept, input_ids.device, value=False)
    hidden = _run(trunk, input_ids, position_ids, index, (index >= 0).long(), use_cache=False)
    result = hidden.new_zeros(input_ids.numel(), hidden.shape[-1])
    return result.index_put((index[keep],), hidden[keep])


def run_cached(trunk: nn.Module, input_ids: Tensor, position_ids: Tensor, branch_ids: Tensor):
    """Do as `run_rows`, but without gradients: prefixes into a KV cache, then the options."""
    pieces = _pieces(branch_ids)
    device = input_ids.device
    prefix = _padded([prefix.flip(0) for prefix, _ in pieces], device).flip(1)
    option = _padded([option for _, options in pieces for option in options], device)
    row_of = [row for row, (_, options) in enumerate(pieces) for _ in options]
    row_of = torch.tensor(row_of, device=device)
    known = (prefix >= 0).long()
    cache = DynamicCache()
    arguments = {"past_key_values": cache, "use_cache": True}
    of_prefix = _run(trunk, input_ids, position_ids, prefix, known, **arguments)
    cache.batch_select_indices(row_of)
    mask = torch.cat((known[row_of], (option >= 0).long()), dim=1)
    of_option = _run(trunk, input_ids, position_ids, option, mask, **arguments)
    result = of_prefix.new_zeros(input_ids.numel(), of_prefix.shape[-1])
    result[prefix[prefix >= 0]] = of_prefix[prefix >= 0]
    result[option[option >= 0]] = of_option[option >= 0]
    return result


def _pieces(branch_ids: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
    """Return each row's prefix and options as indices into the flattened tokens."""
    pieces = []
    n_tokens = branch_ids.shape[1]
    for row, branches in enumerate(branch_ids.cpu()):
        where = {
            branch: (branches == branch).nonzero().squeeze(1) + row * n_tokens
            for branch in branches.unique().tolist()
        }
        prefix = where.pop(PREFIX, branches.new_empty(0))
        pieces.append((prefix, [tokens for branch, tokens in where.items() if branch > PREFIX]))
    return pieces


def _padded(rows: list[Tensor], device, value=-1) -> Tensor:
    return pad_sequence(rows, batch_first=True, padding_value=value).to(device)


def _run(trunk, input_ids, position_ids, index, attention_mask, **arguments) -> Tensor:
    token = index.clamp(min=0)
    # Whole rows every decoder counts itself, also one that takes no positions.
    if arguments["use_cache"] or isinstance(trunk, PromptedTrunk):
        arguments["position_ids"] = position_ids.flatten()[token]
    arguments |= {"input_ids": input_ids.flatten()[token], "attention_mask": attention_mask}
    return trunk(**arguments).last_hidden_state
