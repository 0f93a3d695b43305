"""Estimated sizes against sizes by hand, and against a step of a model with weights."""

import functools
import math
import shutil
import weakref

import bitsandbytes
import pytest
import torch

from mcqa.errors import ConfigError
from mcqa.footprint.estimating import estimate
from mcqa.footprint.plan import Plan, Shape, of_training, storages
from mcqa.formulations import NAMES
from mcqa.models.recipes.table import RECIPES
from mcqa.training.config import TrainingConfig
from mcqa.training.devices import Machine

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
        return Plan(formulation, TrainingConfig(**given | settings), shape, print)

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
    estimated = estimate(plan(recipe="qlora", quantization=quantization))
    assert estimated["weights"] == WEIGHTS[quantization] + FREQUENCIES
    # A and B of a layer are tensors of their own, each below the 4,096 that 8 bits start from.
    assert estimated["adapter"] == estimated["gradients"] == 4 * sum(LORA)
    assert estimated["optimizer"] == 8 * sum(LORA)


def test_8_bit_states_have_a_scale_for_256_and_small_tensors_and_embeddings_stay_32_bit(plan):
    estimated = estimate(plan(recipe="full"))
    large = [n for n in LINEAR if n >= 4096] + [384 * 64]
    small = sum(n for n in LINEAR if n < 4096) + 5 * 64 + 384 * 64
    blocks = sum(n // 256 for n in large)
    maps = 2 * 256 * 4  # from 8 bits to floats, once for each moment
    assert estimated["optimizer"] == 2 * sum(large) + 2 * 4 * blocks + 8 * small + maps
    assert estimated["weights"] == 4 * (sum(LINEAR) + OTHER) + FREQUENCIES
    assert estimated["adapter"] == 0
    assert estimated["gradients"] == 4 * (sum(LINEAR) + OTHER)
    plain = estimate(plan(recipe="full", optimizer="adamw_torch"))
    tensors = len(LINEAR) + 5 + 2  # each counts its steps
    assert plain["optimizer"] == 8 * (sum(LINEAR) + OTHER) + 4 * tensors


def test_the_logits_of_the_answer_alone_are_kept(plan):
    """One more labelled token a row is one more row of float32 log-probabilities."""
    shape, longer = Shape(3, 40, 4, 3), Shape(3, 40, 4, 4)
    settings = {"recipe": "lora", "objective": "completion"}
    less, more = (estimate(plan(shape=s, **settings))["activations"] for s in (shape, longer))
    assert (more - less) / 3 == pytest.approx(384 * 4, rel=0.02)


@pytest.fixture(scope="module")
def deeper_folder(tiny_model, tmp_path_factory):
    """Save the tiny model with five layers."""
    folder = tmp_path_factory.mktemp("deeper")
    config = type(tiny_model.config)(**tiny_model.config.to_dict() | {"num_hidden_layers": 5})
    type(tiny_model)(config).save_pretrained(folder)
    return folder


def stepped(plan):
    """Return the sizes of a step that a loaded model takes."""
    load = functools.partial(
        plan.formulation.load_backbone,
        plan.path,
        head=plan.head,
        dtype=plan.config.dtype,
        device="cpu",
    )
    model, sizes = plan.build(
        load(quantization=plan.config.quantization),
        functools.partial(load, quantization="none"),
    )
    model.config.use_cache = False
    optimizer, saved = plan.make_optimizer(model), []

    def note(tensor):
        alias = tensor.detach()
        saved.append(weakref.ref(alias))
        return alias

    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda alias: alias)
    with hooks, Machine("cpu", plan.dtype).mixed():
        loss = model(**plan.batch).loss
    kept = storages(alias() for alias in saved)
    own = storages([*model.parameters(), *model.buffers()])
    sizes["activations"] = sum(kept[at].nbytes() for at in kept.keys() - own.keys())
    loss.backward()
    optimizer.step()
    return sizes | of_training(optimizer)


def check_against_a_step(plan):
    estimated, real = estimate(plan), stepped(plan)
    for part in ("weights", "adapter", "gradients", "optimizer"):
        assert estimated[part] == real[part], part
    assert estimated["activations"] == pytest.approx(real["activations"], rel=0.001)
    assert estimated["total"] == sum(estimated["at_peak"].values())


@pytest.mark.parametrize("formulation", NAMES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_takes_what_a_step_with_weights_takes(
    plan, deeper_folder, formulation, recipe
):
    settings = {"virtual_tokens": 4} if "virtual_tokens" in RECIPES[recipe].settings else {}
    check_against_a_step(plan(formulation, model=str(deeper_folder), recipe=recipe, **settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"recipe": "lora", "dtype": "float32"},
        {"recipe": "full", "optimizer": "adamw_torch"},
        {"recipe": "dora", "quantization": "nf4"},
        {"recipe": "dora", "quantization": "int8"},
        {"recipe": "bitfit", "quantization": "fp4"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
@pytest.mark.parametrize("formulation", NAMES)
def test_so_does_every_setting(plan, deeper_folder, formulation, settings):
    check_against_a_step(plan(formulation, model=str(deeper_folder), **settings))


def test_checkpointing_keeps_the_inputs_of_layers(plan, deeper_folder):
    settings = {"recipe": "lora", "gradient_checkpointing": True}
    few = estimate(plan(**settings))
    more = estimate(plan(model=str(deeper_folder), **settings))
    inputs = 3 * SHAPE.batch_size * SHAPE.length * 64 * 2  # of three layers more, in bfloat16
    assert more["activations"] - few["activations"] == inputs
    usual = estimate(plan(recipe="lora"))
    assert few["activations"] < 0.5 * usual["activations"]
    assert few["total"] < usual["total"]


def test_a_configuration_is_enough(plan, tiny_model_folder, tmp_path):
    shutil.copy(tiny_model_folder / "config.json", tmp_path)
    assert estimate(plan(model=str(tmp_path))) == estimate(plan())


def test_tied_embeddings_count_once(plan, tiny_config, tmp_path):
    tied = type(tiny_config)(**tiny_config.to_dict() | {"tie_word_embeddings": True})
    tied.architectures = ["LlamaForCausalLM"]
    tied.save_pretrained(tmp_path)
    untied = estimate(plan(recipe="lora"))["weights"]
    assert estimate(plan(model=str(tmp_path), recipe="lora"))["weights"] == untied - 2 * 384 * 64


def test_weights_can_be_quantized_afterwards(plan):
    estimate(plan(recipe="qlora"))
    numbers = torch.linspace(-1, 1, 4096)
    codes, state = bitsandbytes.functional.quantize_4bit(numbers, compress_statistics=True)
    restored = bitsandbytes.functional.dequantize_4bit(codes, state)
    assert (restored - numbers).abs().max() < 0.2


def test_no_room_for_the_options_is_said(plan):
    with pytest.raises(ConfigError, match="no room for 4 options of 5 tokens"):
        plan("multiple_choice", shape=Shape(1, 20, 4, 5))
