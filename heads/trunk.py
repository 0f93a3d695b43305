"""Run a decoder on a branched batch, in the way its attention allows.

    sdpa, eager        one sequence per question and a 4-D mask; per layer type where some layers
                       have a sliding window
    flex_attention     the same as a block mask
    flash attention    knows no masks: the prefix into a KV cache, then the options (inference),
                       or one row per option (training)

A model that has a `soft_prompt` runs behind its virtual tokens (`heads.virtual_tokens`).
Whatever the way, the result is the same (R * T, D) hidden states in the order of the batch, so
that nothing behind the decoder knows. Plain rows take the decoder's own road.
"""

import functools
import warnings
from collections.abc import Collection

import torch
from torch import Tensor, nn

from .branching import PADDING, PREFIX, attention_mask, is_plain
from .caching import run_cached, run_rows
from .own_logits import trunk_name
from .short_attention import NAME as SHORT_ATTENTION
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
        model: a transformers model, not wrapped by PEFT (adapters inside it are fine). It may
            have a `soft_prompt`, see `PromptedTrunk`.
        input_ids, position_ids, branch_ids: (R, T), see `BranchedBatch`.
    """
    trunk = getattr(model, trunk_name(model))
    right = getattr(trunk, "right_ways", WAYS)
    plain = is_plain(branch_ids)
    way = "masked" if plain else choose_way(trunk.config, branch_ids, right)
    prompt = getattr(model, "soft_prompt", None)
    if prompt is not None:
        if way != "masked" or (not plain and _has_windows(trunk.config)):
            way = "rows"
        trunk = PromptedTrunk(trunk, prompt)
    if way == "cached":
        return run_cached(trunk, input_ids, position_ids, branch_ids)
    if way == "rows":
        return run_rows(trunk, input_ids, position_ids, branch_ids)
    # The positions of plain rows are what every decoder counts itself, also one that takes none.
    positions = {} if plain and prompt is None else {"position_ids": position_ids}
    output = trunk(
        input_ids=input_ids,
        attention_mask=_mask(trunk, position_ids, branch_ids, blocks=way == "blocks"),
        use_cache=False,
        **positions,
    )
    return output.last_hidden_state.flatten(0, 1)


def choose_way(config, branch_ids: Tensor, right: Collection[str] = WAYS) -> str:
    """Return how a decoder runs a branched batch: `masked`, `blocks`, `cached` or `rows`.

    Args:
        config: of the decoder.
        branch_ids: (R, T), see `BranchedBatch`.
        right: the ways of `WAYS` that give this decoder's numbers, see `heads.checking`.
    """
    if "masked" not in right:
        return "rows"
    backend = config._attn_implementation
    unknown = set(getattr(config.get_text_config(), "layer_types", None) or ()) - LAYER_KINDS
    if unknown:
        warn_once(f"layers of type {', '.join(sorted(unknown))}: running one row per option.")
        return "rows"
    if backend == "flex_attention":
        return "blocks"
    learns = torch.is_grad_enabled()
    if backend in MASKED:
        cached = "cached" in right and not learns and _prefixes_are_far_longer(branch_ids)
        return "cached" if cached else "masked"
    if not learns and "cached" in right:
        return "cached"
    if not learns:
        return "rows"
    warn_once(
        f"attention {backend!r} takes no branched mask: training runs one row per option. "
        "attn_implementation='sdpa' computes each prefix once."
    )
    return "rows"


def _has_windows(config) -> bool:
    config = config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return getattr(config, "sliding_window", None) is not None
    return "sliding_attention" in kinds


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
        return (branch_ids != PADDING).long()
    if blocks:
        build = functools.partial(block_mask, branch_ids, position_ids)
    else:
        device = branch_ids.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        build = functools.partial(attention_mask, branch_ids, dtype or trunk.dtype, position_ids)
    config = trunk.config.get_text_config()  # of a model that sees too, its language part
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return build(window)
    return {kind: build(window if kind == "sliding_attention" else None) for kind in set(kinds)}


def block_mask(branch_ids: Tensor, position_ids: Tensor, window: int | None = None):
    """Return the block mask of flex_attention that shows what `attention_mask` shows."""
    from torch.nn.attention.flex_attention import create_block_mask

    n_rows, n_tokens = branch_ids.shape
    sees = branch_sight(branch_ids, position_ids, window)
    return create_block_mask(sees, n_rows, None, n_tokens, n_tokens, device=branch_ids.device)


def branch_sight(branch_ids: Tensor, position_ids: Tensor, window: int | None):
    """Return the function (row, head, query, key) -> may the query see the key?"""

    def sees(row, head, query, key):
        of_query, of_key = branch_ids[row, query], branch_ids[row, key]
        sight = (key <= query) & (of_key != PADDING) & ((of_key == PREFIX) | (of_key == of_query))
        if window is not None:
            sight = sight & (position_ids[row, query] - position_ids[row, key] < window)
        return sight | (query == key)

    return sees
