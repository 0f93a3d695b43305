"""Attention for short sequences on a CPU: torch's kernel forward, plain matrix products backward.

At the lengths of questions, computing the attention weights again and taking a few matrix products
is twice as fast as the backward pass of torch's fused kernel. The kernel itself is up to 2.7 times
faster where the number of keys is a multiple of 16, so it gets unseen keys to make it one.
Registered with transformers as an attention of its own, `NAME`; masks are those of `sdpa`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "sdpa_short"
NOT_HERE = ("position_bias", "softcap", "s_aux", "cache")
LONGEST = 256  # beyond, the kernel's backward pass is about as fast
LANES = 16  # numbers in a vector register: the kernel takes what is over one by one


def use_short_attention(model: nn.Module) -> None:
    """Let a model that attends by `sdpa` use this attention; any other is left alone."""
    if model.is_backend_compatible() and attention_of(model.config) == "sdpa":
        model.set_attn_implementation(NAME)


def attention_of(config) -> str:
    """Return the name of the attention that a model with this configuration runs."""
    return config._attn_implementation


def short_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others,
) -> tuple[Tensor, None]:
    """Attend as `sdpa` does, for a layer of transformers: (B, T, H, D), and None for the weights.

    Args:
        query: (B, H, T, D).
        key, value: (B, K, S, D); H / K heads share each.
        attention_mask: (B or 1, 1, T, S) additive or boolean, or None where `sdpa` needs none.
    """
    same_dtype = query.dtype == key.dtype == value.dtype
    if torch.is_autocast_enabled("cpu"):  # which would change the type between here and backward
        same_dtype &= query.dtype == torch.get_autocast_dtype("cpu")
    more = dropout or any(others.get(name) is not None for name in NOT_HERE)
    if attention_mask is None or more or not same_dtype or query.device.type != "cpu":
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **others
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    attend = _ShortAttention.apply if key.shape[2] <= LONGEST else _attend
    attended = attend(query, key, value, attention_mask, scale)
    return attended.transpose(1, 2).contiguous(), None


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attend by torch's kernel, with unseen keys added until whole registers are full."""
    if over := -key.shape[2] % LANES:
        unseen = False if mask.dtype == torch.bool else torch.finfo(mask.dtype).min
        mask = F.pad(mask, (0, over), value=unseen)
        key, value = (F.pad(x, (0, 0, 0, over)) for x in (key, value))
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scale, enable_gqa=True
    )


class _ShortAttention(torch.autograd.Function):
    """Scaled dot-product attention whose backward pass is matrix products.

    Source: Dao et al. (2022), FlashAttention, arXiv 2205.14135, appendix B.2, without its tiles.
    """

    @staticmethod
    def forward(ctx, query, key, value, mask, scale):
        attended = _attend(query, key, value, mask, scale)
        ctx.save_for_backward(query, key, value, mask, attended)
        ctx.scale = scale
        return attended

    @staticmethod
    def backward(ctx, grad):
        query, key, value, mask, attended = ctx.saved_tensors
        grads = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        mask = mask.expand(len(query), *mask.shape[1:])
        for row in zip(query, key, value, mask, attended, grad, *grads, strict=True):
            _backward_row(*row, ctx.scale)  # one question at a time stays in the cache
        return *grads, None, None


def _backward_row(query, key, value, mask, attended, grad, grad_query, grad_key, grad_value, scale):
    """Fill the gradients of one row; (K, H / K * T, ...) are a group's heads, one below another.

    What stands in an exponent, or is taken from what nearly equals it, is float32 from the first
    product on, as in torch's kernel: rounded to bfloat16, scores of 50 are off by 0.1.
    """
    n_groups, n_keys, n_dims = key.shape
    n_queries = query.shape[1]
    query_KND, attended_KND, grad_KND = (
        x.reshape(n_groups, -1, n_dims) for x in (query, attended, grad)
    )
    scores = (query_KND.float() @ key.float().transpose(1, 2)).mul_(scale)
    scores = scores.view(-1, n_queries, n_keys)
    if mask.dtype == torch.bool:
        scores.masked_fill_(~mask, torch.finfo(scores.dtype).min)
    else:
        scores += mask
    weights = scores.softmax(-1)
    weights_KNS = weights.to(grad.dtype).view(n_groups, -1, n_keys)
    grad_value.copy_(weights_KNS.transpose(1, 2) @ grad_KND)
    exact_KND = grad_KND.float()
    inner_KN = (exact_KND * attended_KND).sum(-1, keepdim=True)
    grad_weights = (exact_KND @ value.float().transpose(1, 2)).sub_(inner_KN)
    grad_scores = grad_weights.mul_(weights.view_as(grad_weights)).mul_(scale).to(grad.dtype)
    grad_query.copy_((grad_scores @ key).view_as(query))
    grad_key.copy_(grad_scores.transpose(1, 2) @ query_KND)


AttentionInterface.register(NAME, short_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
