"""A GGUF file of ours, read back by transformers, which undoes what llama.cpp wants otherwise."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, Qwen2Config, Qwen3Config

from mcqa.errors import ConfigError
from mcqa.export.gguf_file import check_gguf, neighbours, rope_factors, write_gguf
from mcqa.export.gguf_tokenizer import pre_tokenizer_name
from mcqa.models.gguf_files import convert

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}


def build(config_class, tokenizer, **settings):
    torch.manual_seed(0)
    config = config_class(vocab_size=len(tokenizer) + 3, **SMALL, **settings)
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    return model


@pytest.mark.parametrize(
    ("config_class", "settings"),
    [
        (LlamaConfig, {"tie_word_embeddings": True}),
        (LlamaConfig, {"tie_word_embeddings": False}),
        (Qwen2Config, {}),
        (Qwen3Config, {"head_dim": 128}),  # what transformers takes for granted
    ],
    ids=["llama, tied", "llama", "qwen2", "qwen3"],
)
def test_it_comes_back_as_it_was(config_class, settings, tiny_tokenizer, tmp_path):
    model = build(config_class, tiny_tokenizer, **settings)
    write_gguf(tmp_path / "m.gguf", model, tiny_tokenizer, name="tiny")
    convert(tmp_path / "m.gguf", tmp_path / "back", dtype="float32")
    back = AutoModelForCausalLM.from_pretrained(tmp_path / "back").eval()
    ids = torch.tensor([[5, 9, 33, 70, 12, 4]])
    with torch.no_grad():
        assert torch.equal(back(ids).logits, model(ids).logits)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "back")
    text = "Question: Which of these is a fruit?\nAnswer: pear"
    assert tokenizer(text)["input_ids"] == tiny_tokenizer(text)["input_ids"]
    for kind in ("bos", "eos", "pad"):
        assert getattr(tokenizer, f"{kind}_token_id") == getattr(tiny_tokenizer, f"{kind}_token_id")


def test_matrices_are_rounded_and_vectors_are_not(tiny_tokenizer, tmp_path):
    from gguf import GGUFReader

    model = build(LlamaConfig, tiny_tokenizer).to(torch.bfloat16)
    write_gguf(tmp_path / "m.gguf", model, tiny_tokenizer, name="tiny")
    kinds = {
        tensor.name: tensor.tensor_type.name for tensor in GGUFReader(tmp_path / "m.gguf").tensors
    }
    assert {kind for name, kind in kinds.items() if "norm" in name} == {"F32"}
    assert {kind for name, kind in kinds.items() if "norm" not in name} == {"BF16"}


def test_rows_half_a_head_apart_come_to_lie_side_by_side():
    rows = torch.arange(16.0)[:, None]
    moved = neighbours(rows, 2).flatten().tolist()
    assert moved == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]


def test_scaled_positions_are_written_as_factors(tiny_tokenizer):
    assert rope_factors(build(LlamaConfig, tiny_tokenizer)) is None
    factors = rope_factors(build(LlamaConfig, tiny_tokenizer, rope_parameters=LLAMA3))
    assert factors.tolist() == pytest.approx([1, 7.66, 8, 8], rel=0.01)  # none, some, all of it
    linear = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    linear = rope_factors(build(LlamaConfig, tiny_tokenizer, rope_parameters=linear))
    assert linear.tolist() == pytest.approx([2] * 4)
    yarn = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 2.0}
    with pytest.raises(ConfigError, match="positions of type 'yarn'"):
        rope_factors(build(LlamaConfig, tiny_tokenizer, rope_parameters=yarn))


def test_windows_are_refused():
    check_gguf(Qwen2Config(**SMALL))
    windows = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    with pytest.raises(ConfigError, match="sliding windows"):
        check_gguf(Qwen2Config(**SMALL, **windows))


def split(pattern):
    steps = {"type": "Split", "pattern": {"Regex": pattern}}, BYTES | {"use_regex": False}
    return {"type": "Sequence", "pretokenizers": steps}


def test_the_rule_that_splits_text_has_a_name_or_is_refused():
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    assert pre_tokenizer_name(BYTES) == "gpt-2"
    assert pre_tokenizer_name(split(GGUF_PRE_TOKENIZER_SPLITS["llama3"])) == "llama-bpe"
    assert pre_tokenizer_name(split(GGUF_PRE_TOKENIZER_SPLITS["qwen2"])) == "qwen2"
    digits = [{"type": "Digits", "individual_digits": True}, BYTES]
    assert pre_tokenizer_name({"type": "Sequence", "pretokenizers": digits}) == "smollm"
    for other in (split(r"\w+"), BYTES | {"add_prefix_space": True}, {"type": "Metaspace"}, None):
        with pytest.raises(ConfigError, match="no name that is known"):
            pre_tokenizer_name(other)


def test_a_tokenizer_of_another_kind_is_refused(tiny_tokenizer, tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, "a")))
    with pytest.raises(ConfigError, match="only byte-level BPE tokenizers"):
        write_gguf(tmp_path / "m.gguf", build(LlamaConfig, tiny_tokenizer), words, name="tiny")
