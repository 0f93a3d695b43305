"""Predicted sizes against sizes by hand, and against the same step on real tensors."""

import functools
import math
import shutil

import pytest
import torch

from mcqa.errors import ConfigError
from mcqa.footprint.ledger import Ledger
from mcqa.footprint.plan import make_plan
from mcqa.footprint.predicting import book, optimizer_of, predict
from mcqa.footprint.step import Shape
from mcqa.formulations import NAMES
from mcqa.models.recipes.table import RECIPES
from mcqa.training.config import TrainingConfig

SHAPE = Shape(batch_size=3, length=40, options=4, option_length=5)
SEVEN = ((64, 64), (32, 64), (32, 64), (64, 64), (128, 64), (128, 64), (64, 128))
LINEAR = [n_out * n_in for n_out, n_in in 2 * SEVEN]
OTHER = 5 * 64 + 2 * 384 * 64  # norms, embeddings, LM head
FREQUENCIES = 2 * 8 * 4  # of the rotary embedding: twice 16 / 2 floats
LORA = [16 * (n_out + n_in) for n_out, n_in in 2 * SEVEN]


@pytest.fixture
def plan(tiny_model_folder):
    def make(formulation="generative", shape=SHAPE, **settings):
        given = {"model": str(tiny_model_folder), "device": "cpu", "batch_size": shape.batch_size}
        return make_plan(formulation, TrainingConfig(**given | settings), shape, print)

    return make


def four_bit(n):
    """Half a byte a weight, a byte a block of 64, a float for 256 blocks, an offset, two codes."""
    return n // 2 + n // 64 + 4 * math.ceil(n / 64 / 256) + 4 + 4 * 16 + 4 * 256


WEIGHTS = {
    "none": 2 * (sum(LINEAR) + OTHER),
    "int8": sum(LINEAR) + 4 * 2 * sum(n_out for n_out, _ in SEVEN) + 2 * OTHER,
    "nf4": sum(map(four_bit, LINEAR)) + 2 * OTHER,
    "fp4": sum(map(four_bit, LINEAR)) + 2 * OTHER,
}


@pytest.mark.parametrize("quantization", WEIGHTS)
def test_weights_adapter_gradients_and_state_are_those_counted_by_hand(plan, quantization):
    predicted = predict(plan(recipe="qlora", quantization=quantization))
    assert predicted["weights"] == WEIGHTS[quantization] + FREQUENCIES
    # A and B of a layer are tensors of their own, each below the 4,096 that 8 bits start from.
    assert predicted["adapter"] == predicted["gradients"] == 4 * sum(LORA)
    assert predicted["optimizer"] == 8 * sum(LORA)


def test_8_bit_states_have_a_scale_for_256_and_small_tensors_and_embeddings_stay_32_bit(plan):
    predicted = predict(plan(recipe="full"))
    large = [n for n in LINEAR if n >= 4096] + [384 * 64]
    small = sum(n for n in LINEAR if n < 4096) + 5 * 64 + 384 * 64
    blocks = sum(n // 256 for n in large)
    maps = 2 * 256 * 4  # from 8 bits to floats, once for each moment
    assert predicted["optimizer"] == 2 * sum(large) + 2 * 4 * blocks + 8 * small + maps
    assert predicted["weights"] == 4 * (sum(LINEAR) + OTHER) + FREQUENCIES
    assert predicted["adapter"] == 0
    assert predicted["gradients"] == 4 * (sum(LINEAR) + OTHER)
    plain = predict(plan(recipe="full", optimizer="adamw_torch"))
    tensors = len(LINEAR) + 5 + 2  # each counts its steps
    assert plain["optimizer"] == 8 * (sum(LINEAR) + OTHER) + 4 * tensors


def test_the_logits_of_the_answer_alone_are_kept(plan):
    """One more labelled token a row is one more row of float32 log-probabilities."""
    shape, longer = Shape(3, 40, 4, 3), Shape(3, 40, 4, 4)
    settings = {"recipe": "lora", "objective": "completion"}
    less, more = (predict(plan(shape=s, **settings))["activations"] for s in (shape, longer))
    assert (more - less) / 3 == pytest.approx(384 * 4, rel=0.02)


def built(plan):
    """Return what `predict` returns, from a step on real tensors."""
    load = functools.partial(
        plan.formulation.load_backbone,
        plan.path,
        head=plan.head,
        dtype=plan.config.dtype,
        device="cpu",
    )
    model, own = plan.build(
        load(quantization=plan.config.quantization),
        functools.partial(load, quantization="none"),
    )
    optimizer, batch = optimizer_of(plan, model), plan.batch()
    with Ledger() as ledger:
        return book(plan, model, own, optimizer, batch, ledger)


@pytest.mark.parametrize("formulation", NAMES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_takes_what_its_step_on_real_tensors_takes(plan, formulation, recipe):
    settings = {"virtual_tokens": 4} if "virtual_tokens" in RECIPES[recipe].settings else {}
    made = plan(formulation, recipe=recipe, **settings)
    predicted, real = predict(made), built(made)
    for part in ("weights", "adapter", "gradients", "optimizer"):
        assert predicted[part] == real[part], part
    assert predicted["activations"] == pytest.approx(real["activations"], rel=0.01)
    # Inside of bitsandbytes' kernels the one sees, and the other does not.
    assert predicted["total"] == pytest.approx(real["total"], rel=0.05)


@pytest.mark.parametrize(
    "settings",
    [
        {"recipe": "lora", "dtype": "float32"},
        {"recipe": "lora", "gradient_checkpointing": True},
        {"recipe": "full", "optimizer": "adamw_torch"},
        {"recipe": "dora", "quantization": "nf4"},
        {"recipe": "dora", "quantization": "int8"},
        {"recipe": "bitfit", "quantization": "fp4"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
@pytest.mark.parametrize("formulation", NAMES)
def test_so_does_every_setting(plan, formulation, settings):
    made = plan(formulation, **settings)
    predicted, real = predict(made), built(made)
    assert predicted["activations"] == pytest.approx(real["activations"], rel=0.01)
    assert predicted["total"] == pytest.approx(real["total"], rel=0.05)


def test_checkpointing_keeps_less(plan):
    usual, less = (predict(plan(recipe="lora", gradient_checkpointing=on)) for on in (False, True))
    assert less["activations"] < 0.5 * usual["activations"]
    assert less["total"] < usual["total"]


def test_a_configuration_is_enough(plan, tiny_model_folder, tmp_path):
    shutil.copy(tiny_model_folder / "config.json", tmp_path)
    assert predict(plan(model=str(tmp_path))) == predict(plan())


def test_tied_embeddings_count_once(plan, tiny_config, tmp_path):
    tied = type(tiny_config)(**tiny_config.to_dict() | {"tie_word_embeddings": True})
    tied.architectures = ["LlamaForCausalLM"]
    tied.save_pretrained(tmp_path)
    untied = predict(plan(recipe="lora"))["weights"]
    assert predict(plan(model=str(tmp_path), recipe="lora"))["weights"] == untied - 2 * 384 * 64


def test_real_tensors_can_be_made_afterwards(plan):
    predict(plan(recipe="qlora"))
    layer = torch.nn.Linear(2, 2)
    assert layer(torch.ones(1, 2)).sum().item() == layer(torch.ones(1, 2)).sum().item()


def test_no_room_for_the_options_is_said(plan):
    with pytest.raises(ConfigError, match="no room for 4 options of 5 tokens"):
        plan("multiple_choice", shape=Shape(1, 20, 4, 5))
