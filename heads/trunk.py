"""Run a decoder on a branched batch, in the way its attention allows.

    sdpa, eager        one sequence per question and a 4-D mask, or one for each type of layer
    flex_attention     the same as a block mask
    flash attention    knows no masks: the prefix into a KV cache, then the options (inference),
                       or one row per option (training)

The hidden states are the same, in the order of the batch. Plain rows take the decoder's own road.
"""

import functools
import warnings
from collections.abc import Collection

import torch
from torch import Tensor, nn

from .branching import PREFIX, attention_mask, branch_sight, is_plain
from .caching import run_cached, run_rows
from .own_logits import trunk_name
from .short_attention import NAME as SHORT_ATTENTION
from .short_attention import attention_of
from .virtual_tokens import PromptedTrunk

WAYS = frozenset(("masked", "cached"))  # a block mask shows what a mask shows
MASKED = ("sdpa", "eager", SHORT_ATTENTION)
LAYER_KINDS = {"full_attention", "sliding_attention"}
# From here on the (T, T) masks cost more than a second pass over the weights.
LONG_PREFIX, FAR_LONGER = 1024, 8


def hidden_states(
    model: nn.Module, input_ids: Tensor, position_ids: Tensor, branch_ids: Tensor
) -> Tensor:
    """Run the decoder below the head and return its (R * T, D) last hidden states.

    Args:
        model: of transformers, not wrapped by PEFT (adapters inside it are fine); it may have a
            `soft_prompt`, the virtual tokens of `PromptedTrunk`.
        input_ids, position_ids, branch_ids: (R, T), see `BranchedBatch`.
    """
    trunk = getattr(model, trunk_name(model))
    right = getattr(trunk, "right_ways", WAYS)
    plain = is_plain(branch_ids)
    way = "masked" if plain else choose_way(trunk.config, branch_ids, right)
    prompt = getattr(model, "soft_prompt", None)
    if prompt is not None:
        if way != "masked" or (not plain and any(_windows(trunk.config).values())):
            way = "rows"
        trunk = PromptedTrunk(trunk, prompt)
    if way == "cached":
        return run_cached(trunk, input_ids, position_ids, branch_ids)
    if way == "rows":
        return run_rows(trunk, input_ids, position_ids, branch_ids)
    # The positions of plain rows are what every decoder counts itself, also one that takes none.
    positions = {} if plain and prompt is None else {"position_ids": position_ids}
    mask = _mask(trunk, position_ids, branch_ids, blocks=way == "blocks")
    output = trunk(input_ids=input_ids, attention_mask=mask, use_cache=False, **positions)
    return output.last_hidden_state.flatten(0, 1)


def choose_way(config, branch_ids: Tensor, right: Collection[str] = WAYS) -> str:
    """Return how a decoder runs a branched batch: `masked`, `blocks`, `cached` or `rows`.

    Of `WAYS` those that are `right` give this decoder's numbers, see `heads.checking`.
    """
    if "masked" not in right:
        return "rows"
    if unknown := unknown_layers(config):
        warn_once(f"layers of type {unknown}: running one row per option.")
        return "rows"
    backend = attention_of(config)
    if backend == "flex_attention":
        return "blocks"
    learns = torch.is_grad_enabled()
    may_cache = "cached" in right and not learns
    if backend in MASKED:
        return "cached" if may_cache and _prefixes_are_far_longer(branch_ids) else "masked"
    if learns:
        warn_once(
            f"attention {backend!r} takes no branched mask: training runs one row per option. "
            "attn_implementation='sdpa' computes each prefix once."
        )
    return "cached" if may_cache else "rows"


def unknown_layers(config) -> str:
    """Return the types of a decoder's layers that run no mask of ours, separated by commas."""
    kinds = getattr(config.get_text_config(), "layer_types", None) or ()
    return ", ".join(sorted(set(kinds) - LAYER_KINDS))


def _windows(config) -> dict[str | None, int | None]:
    """Return each type of layers' sliding window; the type is None where a decoder has but one."""
    config = config.get_text_config()  # of a model that sees too, its language part
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return {None: window}
    return {kind: window if kind == "sliding_attention" else None for kind in set(kinds)}


def _prefixes_are_far_longer(branch_ids: Tensor) -> bool:
    if branch_ids.shape[1] < LONG_PREFIX:
        return False
    prefix = (branch_ids == PREFIX).sum(1).min()
    options = (branch_ids > PREFIX).sum(1).max()
    return bool((prefix >= LONG_PREFIX) & (prefix >= FAR_LONGER * options))


@functools.cache
def warn_once(message: str) -> None:
    """Warn, but not twice in one process with the same words."""
    warnings.warn(message, stacklevel=2)


def _mask(trunk, position_ids: Tensor, branch_ids: Tensor, blocks: bool):
    """Return the decoder's `attention_mask`: one, or one for each type of layer."""
    if is_plain(branch_ids):
        return attention_mask(branch_ids, trunk.dtype)
    device = branch_ids.device
    autocast = torch.is_autocast_enabled(device.type)
    dtype = torch.get_autocast_dtype(device.type) if autocast else trunk.dtype

    def show(window: int | None):
        if not blocks:
            return attention_mask(branch_ids, dtype, position_ids, window)
        from torch.nn.attention.flex_attention import create_block_mask

        sees = branch_sight(branch_ids, position_ids, window)
        n_rows, n_tokens = branch_ids.shape
        return create_block_mask(sees, n_rows, None, n_tokens, n_tokens, device=device)

    masks = {kind: show(window) for kind, window in _windows(trunk.config).items()}
    return masks.get(None, masks)
