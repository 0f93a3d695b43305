"""Run the options of a branched batch apart from each other: cached prefix, or one row each.

For attention that takes no mask of ours, and for prefixes so long that one would not pay. The
prefixes of the cache are padded on the left, so that prefix and option touch: distances between
tokens are then distances between positions, which is what sliding windows and flash attention
count.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from .branching import PREFIX
from .virtual_tokens import PromptedTrunk


def run_rows(
    trunk: nn.Module, input_ids: Tensor, position_ids: Tensor, branch_ids: Tensor
) -> Tensor:
    """Run one row per option, each behind a copy of its prefix.

    Returns:
        (R * T, D) hidden states in the order of the branched batch, 0 for padding.
    """
    rows, kept = [], []
    for prefix, options in _pieces(branch_ids):
        for number, option in enumerate(options or [prefix.new_empty(0)]):
            rows.append(torch.cat((prefix, option)))
            # Every copy of a prefix is the same; gradients must come through one of them.
            kept.append(torch.arange(len(rows[-1])) >= (len(prefix) if number else 0))
    index = pad_sequence(rows, batch_first=True, padding_value=-1).to(input_ids.device)
    keep = pad_sequence(kept, batch_first=True, padding_value=False).to(input_ids.device)
    hidden = _run(trunk, input_ids, position_ids, index, (index >= 0).long(), use_cache=False)
    result = hidden.new_zeros(input_ids.numel(), hidden.shape[-1])
    return result.index_put((index[keep],), hidden[keep])


def run_cached(
    trunk: nn.Module, input_ids: Tensor, position_ids: Tensor, branch_ids: Tensor
) -> Tensor:
    """Run the prefixes into a KV cache and every option from its prefix's entries.

    Returns what `run_rows` does, without gradients.
    """
    prefixes, options, row_of = [], [], []
    for row, (prefix, continuations) in enumerate(_pieces(branch_ids)):
        prefixes.append(prefix.flip(0))
        options += continuations
        row_of += [row] * len(continuations)
    device = input_ids.device
    prefix = pad_sequence(prefixes, batch_first=True, padding_value=-1).flip(1).to(device)
    option = pad_sequence(options, batch_first=True, padding_value=-1).to(device)
    row_of = torch.tensor(row_of, device=device)
    cache = DynamicCache()
    known = (prefix >= 0).long()
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
        present = branches.unique().tolist()
        where = [(branches == branch).nonzero().squeeze(1) + row * n_tokens for branch in present]
        by_branch = dict(zip(present, where, strict=True))
        prefix = by_branch.get(PREFIX, branches.new_empty(0))
        pieces.append((prefix, [by_branch[branch] for branch in present if branch > PREFIX]))
    return pieces


def _run(trunk, input_ids, position_ids, index, attention_mask, **arguments) -> Tensor:
    token = index.clamp(min=0)
    # Whole rows every decoder counts itself, also one that takes no positions.
    if arguments["use_cache"] or isinstance(trunk, PromptedTrunk):
        arguments["position_ids"] = position_ids.flatten()[token]
    return trunk(
        input_ids=input_ids.flatten()[token], attention_mask=attention_mask, **arguments
    ).last_hidden_state
