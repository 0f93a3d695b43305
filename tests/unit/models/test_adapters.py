"""What LoRA trains, counted by hand: r * (in + out) for every adapted layer, and the head."""

import copy
import math

import pytest
import torch
from architectures import CONFIGS as DECODERS
from encoders import build
from transformers import AutoModelForCausalLM

from heads.branching import pack
from heads.multiple_choice import HEAD_NAME, LlamaForMultipleChoice
from mcqa.models.adapters import adapted_modules, add_lora, trainable_parameters

# in + out of the tiny Llama's layers: 64 wide, 32 for keys and values, 128 between.
SIDES = {
    "q_proj": 64 + 64,
    "k_proj": 64 + 32,
    "v_proj": 64 + 32,
    "o_proj": 64 + 64,
    "gate_proj": 64 + 128,
    "up_proj": 64 + 128,
    "down_proj": 128 + 64,
}
LAYERS = 2


@pytest.fixture
def causal(tiny_model):
    return copy.deepcopy(tiny_model).requires_grad_(False)


@pytest.fixture
def multiple_choice(tiny_model_folder):
    return LlamaForMultipleChoice.from_pretrained(tiny_model_folder).requires_grad_(False)


def test_all_seven_projections_train_and_nothing_else(causal):
    model = add_lora(causal, lora_r=8)
    assert trainable_parameters(model) == 8 * LAYERS * sum(SIDES.values())
    assert all("lora_" in name for name, p in model.named_parameters() if p.requires_grad)
    assert model.training


def test_the_head_trains_in_full_beside_the_adapter(multiple_choice):
    model = add_lora(multiple_choice, lora_r=4, target_modules=("q_proj",))
    assert trainable_parameters(model) == 4 * LAYERS * SIDES["q_proj"] + 64
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert sum(HEAD_NAME in name for name in trained) == 1


@pytest.mark.parametrize("name", ["causal", "multiple_choice"])
def test_all_linear_means_the_projections_and_no_head(request, name):
    targets = ["all-linear"]
    model = add_lora(request.getfixturevalue(name), lora_r=2, target_modules=targets)
    expected = 2 * LAYERS * sum(SIDES.values()) + (64 if name == "multiple_choice" else 0)
    assert trainable_parameters(model) == expected


@pytest.mark.parametrize("name", ["gpt2", "phi3"])
def test_a_decoder_without_the_seven_projections_has_all_its_linear_layers_adapted(name):
    model = AutoModelForCausalLM.from_config(DECODERS[name]())
    adapted = add_lora(model, lora_r=2)
    layers = {
        "gpt2": {"attn.c_attn": 32 + 96, "attn.c_proj": 32 + 32, "mlp.c_fc": 32 + 128}
        | {"mlp.c_proj": 128 + 32},
        "phi3": {"self_attn.qkv_proj": 32 + 64, "self_attn.o_proj": 32 + 32}
        | {"mlp.gate_up_proj": 32 + 96, "mlp.down_proj": 48 + 32},
    }[name]
    assert trainable_parameters(adapted) == 2 * 3 * sum(layers.values())
    targets = adapted_modules(adapted)
    assert targets == sorted(
        f"{name}.{number}.{layer}"
        for name in {"gpt2": ["transformer.h"], "phi3": ["model.layers"]}[name]
        for number in range(3)
        for layer in layers
    )


def test_an_encoders_pooler_and_classifier_are_trained_and_not_adapted():
    model = build("bert")
    adapted = add_lora(model.requires_grad_(False), lora_r=2)
    # query, key, value and output of 64 x 64, and 64 x 128 there and back, in two layers.
    of_adapter = 2 * 2 * (4 * (64 + 64) + 2 * (64 + 128))
    assert trainable_parameters(adapted) == of_adapter + (64 * 64 + 64) + (64 + 1)
    assert not any("pooler" in name for name in adapted_modules(adapted))


def test_named_modules_are_what_is_adapted_also_where_there_are_seven(causal):
    assert adapted_modules(add_lora(causal, target_modules=("v_proj", "q_proj"))) == [
        "q_proj",
        "v_proj",
    ]


@pytest.mark.parametrize(("rslora", "scale"), [(True, 12 / math.sqrt(9)), (False, 12 / 9)])
def test_an_update_is_scaled_by_alpha_over_r_or_its_root(causal, rslora, scale):
    model = add_lora(
        causal, lora_r=9, lora_alpha=12, rslora=rslora, target_modules=("v_proj",)
    ).eval()
    layer = model.base_model.model.model.layers[0].self_attn.v_proj
    up, down = layer.lora_B["default"].weight, layer.lora_A["default"].weight
    inputs = torch.randn(3, 64)
    with torch.no_grad():
        up.normal_()
        expected = layer.base_layer(inputs) + scale * inputs @ down.T @ up.T
        torch.testing.assert_close(layer(inputs), expected)


def test_an_untrained_adapter_changes_nothing(causal, tiny_model):
    tokens = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        adapted = add_lora(causal).eval()(tokens).logits
        assert torch.equal(adapted, tiny_model(tokens).logits)


def test_dropout_is_active_in_training_only(causal):
    model = add_lora(causal, lora_dropout=0.5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    tokens = torch.tensor([[5, 6, 7]])
    assert not torch.equal(model(tokens).logits, model(tokens).logits)
    model.eval()
    assert torch.equal(model(tokens).logits, model(tokens).logits)


def test_a_step_moves_adapter_and_head_and_leaves_the_base(multiple_choice):
    model = add_lora(multiple_choice, lora_r=2)
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    batch = pack([[5, 6, 7]], [[[8], [9, 10]]]).as_dict() | {"labels": torch.tensor([1])}
    for _ in range(2):  # the first moves the head only: while it is 0, no gradient gets past it
        model(**batch).loss.backward()
        optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert any(HEAD_NAME in name for name in moved)
    assert any("lora_B" in name for name in moved)
    assert all(p.requires_grad for name, p in model.named_parameters() if name in moved)
