"""ReLoRA: a restart changes no output, and all restarts together are one plain LoRA."""

import copy
import math

import pytest
import torch

from mcqa.models.recipes.restarts import add_relora, finish_restarts, go_on, lora_layers, restart

TOKENS = torch.tensor([[5, 6, 7, 8]])


def learn(model):
    """Move the trainable ranks, as training would."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.1)


@pytest.fixture
def logits():
    @torch.no_grad()
    def compute(model):
        return model.eval()(TOKENS).logits

    return compute


@pytest.mark.parametrize("rslora", [True, False])
def test_restarts_add_up_to_one_lora(tiny_model, logits, rslora):
    base = copy.deepcopy(tiny_model).requires_grad_(False)
    layer = base.model.layers[0].self_attn.q_proj
    frozen = layer.weight.clone()
    model = add_relora(base, lora_r=2, lora_alpha=6, rslora=rslora)
    scale = 6 / math.sqrt(2) if rslora else 6 / 2
    expected = frozen.clone()
    adapted = lora_layers(model)[0]
    for round_ in range(3):
        if round_:
            before = logits(model)
            started = restart(model)
            torch.testing.assert_close(logits(model), before)
            assert len(started) == 2 * 14
            assert all(p.requires_grad for p in started)
        learn(model)
        up, down = adapted.lora_B["default"].weight, adapted.lora_A["default"].weight
        expected = expected + scale * (up @ down).detach()
    assert torch.equal(layer.weight, frozen)
    before = logits(model)
    finished = finish_restarts(model)
    torch.testing.assert_close(logits(finished), before)
    config = finished.active_peft_config
    assert config.r == 6
    plain = finished.merge_and_unload().model.layers[0].self_attn.q_proj.weight
    torch.testing.assert_close(plain, expected)


def test_training_goes_on_beside_what_was_learned(tiny_model, logits):
    model = add_relora(copy.deepcopy(tiny_model).requires_grad_(False), lora_r=2, rslora=False)
    learn(model)
    finish_restarts(model)
    before = logits(model)
    go_on(model, 3)
    torch.testing.assert_close(logits(model), before)
    learn(model)
    assert not torch.allclose(logits(model), before)
    changed = logits(model)
    finish_restarts(model)
    torch.testing.assert_close(logits(model), changed)
    assert model.active_peft_config.r == 5
    assert lora_layers(model)[0].scaling["default"] == pytest.approx(16 / 2)
