"""Keys and values of what many batches begin with: an instruction, worked examples.

They are computed once, and every batch of which all rows begin with these tokens goes on from
there. Only so many are used as all the rows have; batches and their layout stay whole, so spans and
positions are what they would be without.

The trap: they are those of the weights at the time. So they are kept inside a `with` and no longer.
"""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from .branching import PREFIX
from .own_logits import trunk_name
from .trunk import WAYS

SHORTEST = 32  # tokens; fewer save less than it costs to put them before every row


class KeptPrefix:
    """Hold tokens with their keys and values in every layer of a decoder.

    Args:
        tokens: (N,) token ids.
        cache: what running them as one row left.
        shortest: of how many of them on any use is made.
    """

    def __init__(self, tokens: Tensor, cache: DynamicCache, shortest: int = SHORTEST):
        self.tokens, self.shortest = tokens, shortest
        self._layers = cache.layers

    def shared(self, input_ids: Tensor, branch_ids: Tensor) -> int:
        """Return with how many kept tokens all (R, T) rows begin, 0 where they are too few.

        At least one token of every root is left over, for somebody may want its state.
        """
        n_tokens = min(len(self.tokens), input_ids.shape[1] - 1)
        same = (input_ids[:, :n_tokens] == self.tokens[:n_tokens]).all(0)
        in_root = (branch_ids[:, 1 : n_tokens + 1] == PREFIX).all(0)
        shared = int((same & in_root).long().cumprod(0).sum())
        return shared if shared >= self.shortest else 0

    def cache(self, n_rows: int, n_tokens: int) -> DynamicCache:
        """Return a cache in which each of so many rows has the first kept tokens behind it."""
        cache = DynamicCache()
        for kept in self._layers:
            layer = DynamicLayer()
            if kept.is_initialized:
                layer.lazy_initialization(kept.keys, kept.values)
                layer.keys = kept.keys[:, :, :n_tokens].expand(n_rows, -1, -1, -1)
                layer.values = kept.values[:, :, :n_tokens].expand(n_rows, -1, -1, -1)
            cache.layers.append(layer)
        return cache


@contextlib.contextmanager
def keeping(model: nn.Module, tokens: Sequence[int], shortest: int = SHORTEST) -> Iterator[None]:
    """Run tokens through a model's trunk, and go on from there in what it is run on inside.

    Without gradients only. Inside another such `with` the outer one's tokens stay. Nothing is kept
    of too few tokens, for a decoder that goes wrong with it (`heads.checking`), or where trained
    virtual tokens come first.

    Args:
        model: a decoder of transformers, as for `hidden_states`.
        tokens: token ids that rows may begin with.
        shortest: how many of them are too few, plus one.
    """
    if kept_tokens(model) or len(tokens) < shortest or not may_keep(model):
        yield
        return
    trunk = getattr(model, trunk_name(model))
    token_N, cache = torch.tensor(tokens, device=model.device), DynamicCache()
    with torch.inference_mode():
        trunk(input_ids=token_N[None], past_key_values=cache, use_cache=True)
    model.kept_prefix = KeptPrefix(token_N, cache, shortest)
    try:
        yield
    finally:
        model.kept_prefix = None


def may_keep(model: nn.Module) -> bool:
    """Say whether a decoder goes on from a cache with its own numbers, and has no soft prompt."""
    right = getattr(getattr(model, trunk_name(model)), "right_ways", WAYS)
    return "kept" in right and getattr(model, "soft_prompt", None) is None


def kept_tokens(model: nn.Module) -> int:
    """Return how many tokens a model keeps, 0 outside a `with`."""
    kept = getattr(model, "kept_prefix", None)
    return 0 if kept is None else len(kept.tokens)
