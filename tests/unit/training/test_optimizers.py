"""The optimizers: which a device has, and that they are those of transformers' Trainer."""

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from mcqa.training.optimizers import make_optimizer, pick_optimizer

SETTINGS = {"learning_rate": 0.01, "weight_decay": 0.1}


@pytest.fixture
def model():
    """A model with all kinds of names: norms, biases, an embedding, and what does not train."""
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 64}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2, attention_bias=True))
    model.extra = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4))
    model.model.layers[0].mlp.up_proj.requires_grad_(False)
    return model


@pytest.mark.parametrize("name", ["adamw_torch", "adamw_8bit", "paged_adamw_32bit"])
def test_an_optimizer_is_the_trainers(model, name, tmp_path):
    ours = make_optimizer(model, name, **SETTINGS)
    told = TrainingArguments(str(tmp_path), optim=name, use_cpu=True, report_to=[], **SETTINGS)
    theirs = Trainer(model, told).create_optimizer()
    assert type(ours) is type(theirs)
    assert ours.defaults == theirs.defaults
    for our_group, their_group in zip(ours.param_groups, theirs.param_groups, strict=True):
        assert [*map(id, our_group["params"])] == [*map(id, their_group["params"])]
        assert our_group["weight_decay"] == their_group["weight_decay"]
    if name != "adamw_torch":
        assert vars(ours.args) == vars(theirs.args)


def test_embeddings_keep_32_bits_and_the_next_optimizer_does_not_hear_of_it(model):
    bits = {}
    for trains in (model, nn.Linear(64, 64, bias=False)):
        optimizer = make_optimizer(trains, "adamw_8bit", **SETTINGS)
        optimizer.check_overrides()
        group = optimizer.param_groups[0]
        bits[trains] = optimizer.get_config(0, 0, group)["optim_bits"]
    assert list(bits.values()) == [32, 8]


@pytest.mark.parametrize(
    ("asked", "device", "used"),
    [
        ("paged_adamw_8bit", "cpu", "adamw_8bit"),
        ("paged_adamw_32bit", "cpu", "adamw_torch"),
        ("paged_adamw_8bit", "cuda:0", "paged_adamw_8bit"),
        ("adamw_8bit", "cpu", "adamw_8bit"),
    ],
)
def test_a_paged_optimizer_is_used_where_there_is_a_gpu_to_page_from(asked, device, used):
    lines = []
    assert pick_optimizer(asked, device, lines.append) == used
    assert len(lines) == (asked != used)
    assert all(asked in line and used in line for line in lines)
