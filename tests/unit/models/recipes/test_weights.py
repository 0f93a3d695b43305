"""Choosing weights to train, and putting modules behind layers."""

import copy

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from mcqa.errors import ConfigError
from mcqa.models.recipes.weights import (
    Bottleneck,
    add_bottlenecks,
    load_tensors,
    lower_precision,
    raise_precision,
    train_biases,
    train_top_layers,
    trained_tensors,
)


@pytest.fixture
def frozen(tiny_model):
    return copy.deepcopy(tiny_model).requires_grad_(False)


def test_a_model_that_has_biases_trains_these_and_gets_no_others():
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=16))
    model = train_biases(model.requires_grad_(False))
    # c_attn 24, c_proj 8, c_fc 32, c_proj 8, three layer norms of 8
    assert sum(t.numel() for t in trained_tensors(model).values()) == 24 + 8 + 32 + 8 + 3 * 8
    assert {name.rpartition(".")[2] for name in trained_tensors(model)} == {"bias"}


def test_what_stands_behind_a_layer_changes_nothing_at_first(frozen, tiny_model):
    tokens = torch.tensor([[5, 6, 7]])
    modules = ("o_proj", "down_proj")
    model = add_bottlenecks(frozen, bottleneck_size=4, bottleneck_modules=modules)
    with torch.no_grad():
        assert torch.equal(model(tokens).logits, tiny_model(tokens).logits)
        model.model.layers[0].mlp.down_proj.bottleneck.up.bias.fill_(1.0)
        assert not torch.equal(model(tokens).logits, tiny_model(tokens).logits)


def test_a_bottleneck_adds_to_its_input():
    bottleneck = Bottleneck(2, 1)
    with torch.no_grad():
        bottleneck.down.weight.copy_(torch.tensor([[1.0, 1.0]]))
        bottleneck.down.bias.fill_(1.0)
        bottleneck.up.weight.copy_(torch.tensor([[2.0], [3.0]]))
    gelu = 6 * 0.5 * (1 + torch.erf(torch.tensor(6 / 2**0.5)))
    result = bottleneck(torch.tensor([2.0, 3.0]))
    torch.testing.assert_close(result, torch.stack((2 + 2 * gelu, 3 + 3 * gelu)))


def test_weights_train_in_float32_and_are_kept_as_the_model_computes(frozen):
    model = train_top_layers(frozen.to(torch.bfloat16), top_layers=1)
    raise_precision(model)
    layers = model.model.layers
    assert layers[1].mlp.up_proj.weight.dtype == torch.float32
    assert layers[0].mlp.up_proj.weight.dtype == torch.bfloat16
    lower_precision(model, torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_a_layer_norm_is_of_one_type_even_where_only_its_bias_trains():
    config = GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=16)
    model = GPT2LMHeadModel(config).to(torch.bfloat16).requires_grad_(False)
    raise_precision(train_biases(model))
    norm, layer = model.transformer.ln_f, model.transformer.h[0].mlp.c_fc
    assert (norm.weight.dtype, norm.bias.dtype) == (torch.float32, torch.float32)
    assert (layer.weight.dtype, layer.bias.dtype) == (torch.bfloat16, torch.float32)
    lower_precision(model, torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_too_many_layers_and_unknown_modules_are_refused(frozen):
    with pytest.raises(ConfigError, match="top_layers 3: this model has 2 layers"):
        train_top_layers(frozen, top_layers=3)
    with pytest.raises(ConfigError, match="bottleneck_modules fc: the model has no such layer"):
        add_bottlenecks(frozen, bottleneck_size=4, bottleneck_modules=("fc",))


def test_tensors_that_do_not_fit_are_refused(frozen):
    model = train_top_layers(frozen, top_layers=1)
    tensors = trained_tensors(model)
    name = next(iter(tensors))
    with pytest.raises(ValueError, match="has shape"):
        load_tensors(model, tensors | {name: torch.zeros(1)})
    with pytest.raises(ValueError, match="missing or too many"):
        load_tensors(model, {n: t for n, t in tensors.items() if n != name})
