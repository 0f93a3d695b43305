"""From the hidden states of an option's tokens to one vector per option.

Each takes (R * T, D) flattened hidden states, and the (B, O, 2) `option_spans` and (B, O) `fork` of
the batch, and returns (B, O, D). An option without tokens gets the state at the end of its prefix;
an absent one that of an arbitrary token, to be masked by the caller.
"""

import torch
from torch import Tensor

from .branching import option_tokens


def last_token(hidden_ND: Tensor, option_spans: Tensor) -> Tensor:
    """Return the state of each option's last token, which has seen all of it."""
    return hidden_ND[(option_spans[..., 1] - 1).clamp(min=0)]


def mean_of_span(hidden_ND: Tensor, option_spans: Tensor, fork: Tensor) -> Tensor:
    """Return the mean state of each option's tokens, in float32."""
    return attention_of_span(hidden_ND, option_spans, fork, None)


def attention_of_span(
    hidden_ND: Tensor, option_spans: Tensor, fork: Tensor, query_D: Tensor | None
) -> Tensor:
    """Return a mean of each option's states weighted by softmax(state . query / sqrt(D))."""
    owner, token, _ = option_tokens(option_spans, fork)
    states = hidden_ND[token].float()
    if query_D is None:
        weights = states.new_zeros(len(states))
    else:
        weights = (states * query_D).sum(-1) * query_D.shape[0] ** -0.5
    highest = weights.new_full((fork.numel(),), float("-inf"))
    highest = highest.scatter_reduce(0, owner, weights.detach(), "amax")
    weights = (weights - highest[owner]).exp()
    total = weights.new_zeros(fork.numel()).index_add(0, owner, weights)
    share = weights / total[owner]
    sums = states.new_zeros(fork.numel(), states.shape[-1])
    pooled = sums.index_add(0, owner, states * share[:, None]).view(*fork.shape, -1)
    empty = option_spans[..., 0] == option_spans[..., 1]
    return torch.where(empty[..., None], last_token(hidden_ND, option_spans).float(), pooled)
