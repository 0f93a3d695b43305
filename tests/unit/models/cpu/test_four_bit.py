"""4-bit layers on a CPU against those of bitsandbytes, to the last bit."""

import copy

import pytest
import torch
from bitsandbytes.nn import Linear4bit as Theirs

from mcqa.models.cpu.four_bit import Linear4bit, keep_weights, use_plain_layers


@pytest.fixture(params=["nf4", "fp4"])
def theirs(request):
    """Return a function that makes a layer of bitsandbytes on its plain way."""

    def make(*, bias=False, double=True, compute=torch.bfloat16):
        layer = Theirs(
            128,
            192,
            bias=bias,
            compute_dtype=compute,
            compress_statistics=double,
            quant_type=request.param,
        ).to("cpu")
        layer.support_avx512bf16_for_cpu = False
        return layer.requires_grad_(False).eval()

    return make


def _plain(layer):
    model = torch.nn.Sequential(copy.deepcopy(layer))
    use_plain_layers(model)
    assert type(model[0]) is Linear4bit
    return model[0]


@pytest.mark.bits
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("compute", [torch.bfloat16, None])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("double", [False, True])
def test_the_product_is_that_of_bitsandbytes(theirs, double, bias, compute, dtype):
    layer = theirs(bias=bias, double=double, compute=compute)
    x = torch.randn(2, 7, 128, dtype=dtype)
    with torch.inference_mode():
        ours, expected = _plain(layer)(x), layer(x)
    assert ours.dtype == expected.dtype == dtype
    assert torch.equal(ours, expected)


@pytest.mark.bits
@pytest.mark.parametrize("has_bf16", [True, False])
def test_what_the_processor_can_changes_no_bit(theirs, has_bf16):
    layer = theirs()
    x = torch.randn(7, 128, dtype=torch.bfloat16)
    with torch.inference_mode():
        expected = layer(x)
        layer.support_avx512bf16_for_cpu = has_bf16  # as bitsandbytes finds it on the processor
        assert torch.equal(_plain(layer)(x), expected)


@pytest.mark.bits
def test_the_gradient_is_that_of_bitsandbytes_also_after_scoring(theirs):
    layer = theirs()
    plain = _plain(layer)
    x = torch.randn(5, 128, dtype=torch.bfloat16)
    with torch.inference_mode():
        scored = plain(x)
    gradients = []
    for module in (plain, layer):
        given = x.clone().requires_grad_()
        product = module(given)
        product.square().sum().backward()
        gradients.append(given.grad)
    assert torch.equal(product, scored)
    assert torch.equal(*gradients)
    assert gradients[0].abs().sum() > 0


@pytest.mark.bits
def test_weights_and_scales_stay_as_they_are(theirs):
    layer = theirs()
    plain = _plain(layer)
    with torch.inference_mode():
        for _ in range(2):
            plain(torch.randn(3, 128, dtype=torch.bfloat16))
    saved, expected = plain.state_dict(), layer.state_dict()
    assert saved.keys() == expected.keys()
    assert all(torch.equal(saved[name], expected[name]) for name in saved)


def test_nothing_to_multiply_is_no_error(theirs):
    with torch.inference_mode():
        assert _plain(theirs())(torch.empty(0, 128, dtype=torch.bfloat16)).shape == (0, 192)


@pytest.mark.bits
def test_weights_that_are_kept_give_the_same_bits_and_are_held_once(theirs):
    layer, x = theirs(bias=True), torch.randn(7, 128, dtype=torch.bfloat16)
    plain = _plain(layer)
    other = copy.copy(plain)
    with torch.inference_mode():
        expected = plain(x)
    keep_weights([torch.nn.Sequential(plain), torch.nn.Sequential(other)])
    with torch.inference_mode():
        assert torch.equal(plain(x), expected)
    assert plain.kept.shape == (192, 128)
    assert plain.kept is other.kept
    assert "kept" not in plain.state_dict()


def test_no_weights_are_kept_in_a_type_that_the_input_decides(theirs):
    plain = _plain(theirs(compute=None))
    keep_weights([plain])
    assert plain.kept is None
