"""Short attention is `sdpa`, forward and backward, whatever the mask and the heads."""

from types import SimpleNamespace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from heads import short_attention as module
from heads.branching import attention_mask, pack
from heads.short_attention import NAME, short_attention, use_short_attention


def attend(attention, heads, groups, mask, dtype=torch.float32):
    """Return the output, and the gradients of query, key and value, of 2 rows of 7 tokens."""
    draw = torch.Generator().manual_seed(0)
    tensors = [
        torch.randn(2, n, 7, 4, generator=draw).to(dtype).requires_grad_()
        for n in (heads, groups, groups)
    ]
    layer = SimpleNamespace(num_key_value_groups=heads // groups, is_causal=True)
    output, _ = attention(layer, *tensors, mask, scaling=0.3)
    weights = torch.randn(output.shape, generator=draw).to(dtype)
    return output, *torch.autograd.grad((output * weights).sum(), tensors)


def branched_mask(dtype=torch.float32):
    batch = pack([[1, 2, 3], [4, 5]], [[[6], [7, 8], [9]], [[1, 2], [3]]])
    return attention_mask(batch.branch_ids, dtype)


@pytest.mark.parametrize(("heads", "groups"), [(2, 2), (6, 2), (3, 1)])
@pytest.mark.parametrize("boolean", [False, True])
def test_it_is_sdpa_forward_and_backward(heads, groups, boolean):
    mask = branched_mask()
    mask = mask == 0 if boolean else mask
    expected = attend(sdpa_attention_forward, heads, groups, mask)
    for ours, theirs in zip(attend(short_attention, heads, groups, mask), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_one_mask_serves_all_rows():
    mask = branched_mask()[:1]
    both = mask.expand(2, -1, -1, -1)
    expected = attend(sdpa_attention_forward, 2, 2, both)
    for ours, theirs in zip(attend(short_attention, 2, 2, mask), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_bfloat16_rounds_as_sdpa_does():
    exact = attend(sdpa_attention_forward, 6, 2, branched_mask())
    ours = attend(short_attention, 6, 2, branched_mask(torch.bfloat16), torch.bfloat16)
    for rounded, value in zip(ours, exact, strict=True):
        assert rounded.dtype == torch.bfloat16
        assert (rounded.float() - value).norm() < 0.02 * value.norm()


@pytest.mark.parametrize("spread", [1, 16, 64])
def test_gradients_in_bfloat16_stay_near_however_far_the_scores_spread(spread):
    """Scores are sums of 64 products; rounded to bfloat16 they move the weights by percents."""
    draw = torch.Generator().manual_seed(0)
    query, key, value, weights = (torch.randn(2, n, 40, 64, generator=draw) for n in (6, 2, 2, 6))
    rounded = [tensor.bfloat16() for tensor in (query * spread, key, value)]
    weights = weights.transpose(1, 2).bfloat16()
    layer = SimpleNamespace(num_key_value_groups=3, is_causal=True)

    def gradients(attention, dtype):
        tensors = [tensor.to(dtype).requires_grad_() for tensor in rounded]
        mask = torch.full((40, 40), torch.finfo(dtype).min, dtype=dtype).triu(1)[None, None]
        output, _ = attention(layer, *tensors, mask.expand(2, -1, -1, -1), scaling=1 / 8)
        return torch.autograd.grad(output, tensors, weights.to(dtype))

    exact = gradients(sdpa_attention_forward, torch.float32)
    for ours, value in zip(gradients(short_attention, torch.bfloat16), exact, strict=True):
        assert (ours.float() - value).norm() < 0.01 * value.norm()


def test_autocast_may_lower_the_type_of_what_comes_in_float32():
    exact = attend(sdpa_attention_forward, 6, 2, branched_mask())
    with torch.autocast("cpu", torch.bfloat16):
        ours = attend(short_attention, 6, 2, branched_mask(torch.bfloat16))
    for rounded, value in zip(ours, exact, strict=True):
        assert (rounded.float() - value).norm() < 0.02 * value.norm()


def test_the_backward_pass_is_its_own_up_to_the_longest_length(monkeypatch):
    def backward_passes():
        before = len(calls)
        attend(short_attention, 2, 2, branched_mask())
        return len(calls) - before

    calls = []
    row = module._backward_row
    monkeypatch.setattr(module, "_backward_row", lambda *a: (calls.append(1), row(*a)))
    assert backward_passes() == 2
    monkeypatch.setattr(module, "LONGEST", 6)
    assert backward_passes() == 0


def test_a_model_that_attends_otherwise_is_left_alone():
    config = LlamaConfig(
        vocab_size=10,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    for before, after in (("sdpa", NAME), ("eager", "eager")):
        model = LlamaForCausalLM._from_config(config, attn_implementation=before)
        use_short_attention(model)
        assert model.config._attn_implementation == after
