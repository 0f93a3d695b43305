"""What a model name means, and what loading promises: frozen, in evaluation mode, or explained."""

import contextlib
import gc
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from encoders import build
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from heads.branching import pack
from mcqa.errors import ConfigError, ModelError
from mcqa.models import backbones
from mcqa.models.backbones import (
    checkpoint_activations,
    context_length,
    load_tokenizer,
    load_weights,
    pick_device,
    pick_dtype,
)


def test_devices_and_dtypes_are_picked_by_what_there_is(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("cpu") == "cpu"
    with pytest.raises(ConfigError, match="device 'abacus' cannot be used"):
        pick_device("abacus")
    for available, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert pick_device() == device
    assert pick_dtype("auto", "cpu") is torch.bfloat16
    assert pick_dtype("float32", "cpu") is torch.float32


@pytest.fixture
def cards(monkeypatch):
    """Pretend that there are CUDA devices, by what torch asks their driver."""

    def pretend(*majors):
        current = [0]

        @contextlib.contextmanager
        def device(name):
            before, current[0] = current[0], torch.device(name).index or 0
            yield
            current[0] = before

        answers = {
            "is_available": lambda: True,
            "device_count": lambda: len(majors),
            "current_device": lambda: current[0],
            "get_device_properties": lambda number: SimpleNamespace(major=majors[number]),
            "device": device,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, answer)
        # A card of before 8.0 holds numbers in bfloat16 all the same, and computes in float32.
        monkeypatch.setattr(torch, "tensor", lambda *values, **settings: None)

    return pretend


@pytest.mark.parametrize(("major", "dtype"), [(7, torch.float16), (8, torch.bfloat16)])
def test_bfloat16_that_a_card_emulates_is_not_chosen(cards, major, dtype):
    cards(major)
    assert pick_dtype("auto", "cuda") is dtype
    assert pick_dtype("bfloat16", "cuda") is torch.bfloat16


def test_the_card_that_is_named_decides_on_the_dtype(cards):
    cards(8, 7)
    named = [pick_dtype("auto", f"cuda:{number}") for number in (0, 1)]
    assert named == [torch.bfloat16, torch.float16]


def test_apples_gpu_is_taken_where_it_works_and_else_it_is_said_why_not(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(backbones, "mps_fault", lambda: None)
    assert pick_device() == "mps"
    monkeypatch.setattr(backbones, "mps_fault", lambda: "a 4-bit layer fails (no kernel)")
    with pytest.warns(UserWarning, match=r"\(MPS\) is not used: a 4-bit layer fails \(no kernel\)"):
        assert pick_device() == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device() == "cpu"


def test_unknown_settings_list_the_known_ones(tiny_model_folder):
    with pytest.raises(ConfigError, match="'fp8': must be one of auto, bfloat16, float16, float32"):
        pick_dtype("fp8", "cpu")
    with pytest.raises(ConfigError, match="'int4': must be one of nf4, fp4, int8, none"):
        load_weights(LlamaForCausalLM, str(tiny_model_folder), quantization="int4", device="cpu")
    with pytest.raises(ConfigError, match="dtype 'half'"):
        load_weights(LlamaForCausalLM, str(tiny_model_folder), dtype="half", device="cpu")


@pytest.mark.parametrize("quantization", backbones.QUANTIZATIONS)
def test_a_loaded_model_is_frozen_in_evaluation_mode_and_quantized_as_asked(
    tiny_model_folder, quantization, capfd
):
    model = load_weights(
        LlamaForCausalLM, str(tiny_model_folder), quantization=quantization, device="cpu"
    )
    layer = type(model.model.layers[0].self_attn.q_proj).__name__
    layers = {"nf4": "Linear4bit", "fp4": "Linear4bit", "int8": "Linear8bitLt", "none": "Linear"}
    assert layer == layers[quantization]
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert model.dtype == torch.bfloat16
    assert model(torch.tensor([[5, 6]])).logits.isfinite().all()
    assert capfd.readouterr() == ("", "")


def test_nf4_means_normal_float_with_double_quantization(tiny_model_folder):
    path = str(tiny_model_folder)
    model = load_weights(LlamaForCausalLM, path, quantization="nf4", dtype="float32", device="cpu")
    layer = model.model.layers[0].self_attn.q_proj
    assert layer.weight.quant_state.quant_type == "nf4"
    assert layer.weight.quant_state.nested
    assert layer.compute_dtype == torch.float32
    assert type(model.lm_head) is torch.nn.Linear


def test_for_fsdp_4_bit_weights_are_stored_in_the_compute_type(tiny_model_folder):
    settings = {"quantization": "nf4", "dtype": "bfloat16", "device": "cpu"}
    usual, stored = (
        load_weights(LlamaForCausalLM, str(tiny_model_folder), sharding=sharding, **settings)
        for sharding in (None, "FSDP")
    )
    weights = [model.model.layers[0].mlp.up_proj.weight for model in (usual, stored)]
    assert [weight.dtype for weight in weights] == [torch.uint8, torch.bfloat16]
    tokens = torch.tensor([[5, 6, 7]])
    assert stored(tokens).logits.allclose(usual(tokens).logits, atol=0.05)


def test_each_of_several_processes_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [pick_device(name) for name in ("auto", "cuda", "cuda:1")] == ["cuda:1"] * 3
    assert pick_device("cpu") == "cpu"
    with pytest.raises(ConfigError, match="takes the GPU of its own number"):
        pick_device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError, match="this machine has 2 GPUs"):
        pick_device("auto")


def test_a_checkpoint_that_comes_quantized_stays_as_it_is(tiny_model_folder, tmp_path):
    settings = {"dtype": "bfloat16", "device": "cpu"}
    first = load_weights(LlamaForCausalLM, str(tiny_model_folder), quantization="nf4", **settings)
    first.save_pretrained(tmp_path)
    for quantization in backbones.QUANTIZATIONS:
        model = load_weights(LlamaForCausalLM, str(tmp_path), quantization=quantization, **settings)
        assert type(model.model.layers[0].mlp.up_proj).__name__ == "Linear4bit"


def test_a_tokenizer_pads_on_the_left_with_its_own_pad_token_or_the_end_token(
    tiny_model_folder, tiny_tokenizer, tmp_path
):
    assert load_tokenizer(str(tiny_model_folder)).padding_side == "left"
    padless = PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer.backend_tokenizer, eos_token="</s>", padding_side="right"
    )
    padless.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    assert (loaded.pad_token, loaded.padding_side) == ("</s>", "left")


def test_context_length_is_the_models_or_2048(tiny_model):
    assert context_length(tiny_model) == 256
    model = torch.nn.Module()
    model.config = object()
    assert context_length(model) == 2048


def test_a_folder_without_weights_is_explained(tiny_config, tmp_path):
    tiny_config.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_weights(LlamaForCausalLM, str(tmp_path), device="cpu")


def test_a_folder_without_tokenizer_is_explained(tiny_config, tmp_path):
    tiny_config.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_tokenizer(str(tmp_path))


def test_a_configuration_that_is_not_json_is_explained(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": ')
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_weights(LlamaForCausalLM, str(tmp_path), device="cpu")


def test_weights_that_were_cut_short_are_explained(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_weights(LlamaForCausalLM, str(tmp_path), device="cpu")


def test_a_hub_id_without_a_network_is_explained():
    with pytest.raises(ModelError, match="needs a network, once"):
        load_tokenizer("no-such-organization/no-such-model")


def test_an_error_without_a_text_is_explained_too(tiny_model_folder):
    class Broken:
        @staticmethod
        def from_pretrained(path, **settings):
            raise OSError

    with pytest.raises(ModelError, match="cannot be loaded"):
        load_weights(Broken, str(tiny_model_folder), device="cpu")


@pytest.mark.parametrize(("name", "tokens"), [("bert", 130), ("roberta", 128), ("mpnet", 128)])
def test_an_encoder_reaches_as_far_as_its_positions(name, tokens):
    """RoBERTa and its like count positions from behind the padding token's id, 1 here."""
    model = build(name)
    assert context_length(model) == tokens
    model(**pack([[5] * (tokens - 1)], [[[6], [7]]]).as_dict())
    with pytest.raises((IndexError, RuntimeError)):
        model(**pack([[5] * tokens], [[[6], [7]]]).as_dict())


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says is mapped")
def test_a_quantized_model_leaves_the_file_of_unquantized_weights(tiny_model_folder, tmp_path):
    folder = str(tmp_path / "own")  # others have the tiny model's own file open
    shutil.copytree(tiny_model_folder, folder)
    model = load_weights(LlamaForCausalLM, folder, quantization="nf4", device="cpu")
    gc.collect()
    assert model.is_loaded_in_4bit
    assert folder not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("names", [("activation", "gradient"), ("gradient",)])
def test_activations_are_checkpointed_by_the_name_that_transformers_has(names):
    called = []
    methods = {
        f"{name}_checkpointing_enable": lambda how, name=name: called.append((name, how))
        for name in names
    }
    checkpoint_activations(SimpleNamespace(**methods), {"use_reentrant": True})
    assert called == [(names[0], {"use_reentrant": True})]
