"""A merged generative run as a GGUF file, which llama.cpp and its kin run.

Names and metadata are those of the package `gguf`. The trap: llama.cpp turns the pairs of a head
that lie side by side, transformers those half a head apart: rows of queries and keys change places.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mcqa.errors import ConfigError
from mcqa.export.gguf_tokenizer import REMEDY, add_tokenizer

FILE = "model.gguf"


class Architecture(NamedTuple):
    """Say how llama.cpp names a decoder, and whether it turns neighbouring pairs."""

    name: str
    turns_neighbours: bool = False


ARCHITECTURES = {
    "llama": Architecture("llama", turns_neighbours=True),
    "mistral": Architecture("llama", turns_neighbours=True),
    "qwen2": Architecture("qwen2"),
    "qwen3": Architecture("qwen3"),
}


def check_gguf(config) -> None:
    """Raise ConfigError for a decoder that this module cannot write."""
    if config.model_type not in ARCHITECTURES:
        raise ConfigError(
            f"format gguf: a {config.model_type} is not written, only {', '.join(ARCHITECTURES)}. "
            + REMEDY
        )
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or _window(config):
        raise ConfigError(f"format gguf: sliding windows are not written. {REMEDY}")


def _window(config) -> int | None:
    """Return the sliding window of a model that has no types of layers."""
    listed = getattr(config, "layer_types", None)
    return None if listed else getattr(config, "sliding_window", None)


def write_gguf(path: Path, model, tokenizer, *, name: str) -> None:
    """Write a causal LM in float32, bfloat16 or float16 with its tokenizer; vectors stay float32.

    Raises:
        ConfigError: architecture, positions or tokenizer have no counterpart that is known here.
    """
    import gguf

    config, architecture = model.config, ARCHITECTURES[model.config.model_type]
    check_gguf(config)
    writer = gguf.GGUFWriter(path, architecture.name)
    writer.add_name(name)
    writer.add_file_type(_file_types()[model.dtype])
    _add_sizes(writer, config)
    add_tokenizer(writer, tokenizer, config.vocab_size)
    arch = next(a for a, known in gguf.MODEL_ARCH_NAMES.items() if known == architecture.name)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    state = model.state_dict()
    if config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    for key, tensor in state.items():
        place = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if place is None:
            raise ConfigError(f"format gguf: there is no place for the tensor {key}. {REMEDY}")
        n_heads = heads.get(key.split(".")[-2])
        if architecture.turns_neighbours and n_heads:
            tensor = neighbours(tensor, n_heads)
        _add(writer, place, tensor)
    factors = rope_factors(model)
    if factors is not None:
        _add(writer, "rope_freqs.weight", factors)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def neighbours(weight: Tensor, n_heads: int) -> Tensor:
    """Return rows with those half a head apart side by side, head by head.

    >>> neighbours(torch.arange(8)[:, None], 2).flatten().tolist()
    [0, 2, 1, 3, 4, 6, 5, 7]
    """
    halves = weight.reshape(n_heads, 2, -1, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)


def rope_factors(model) -> Tensor | None:
    """Return what llama.cpp divides each frequency by, as Llama 3 scales them; None for 1.

    Raises:
        ConfigError: positions are scaled by more than that.
    """
    config, settings = model.config, model.config.rope_parameters
    if settings["rope_type"] not in ("default", "linear", "llama3"):
        raise ConfigError(
            f"format gguf: positions of type {settings['rope_type']!r} are not written. {REMEDY}"
        )
    own = type(model.model.rotary_emb)(config).inv_freq  # the model's may have been rounded
    width = 2 * len(own)
    factors = settings["rope_theta"] ** -(torch.arange(0, width, 2) / width) / own
    return None if torch.allclose(factors, torch.ones_like(factors), rtol=1e-4) else factors


def _file_types() -> dict:
    from gguf import LlamaFileType

    return {
        torch.float32: LlamaFileType.ALL_F32,
        torch.float16: LlamaFileType.MOSTLY_F16,
        torch.bfloat16: LlamaFileType.MOSTLY_BF16,
    }


def _add(writer, name: str, tensor: Tensor) -> None:
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    array = tensor.detach().cpu().float().numpy()
    kinds = {torch.float16: GGMLQuantizationType.F16, torch.bfloat16: GGMLQuantizationType.BF16}
    kind = kinds.get(tensor.dtype)
    if kind is None or array.ndim < 2:
        writer.add_tensor(name, np.ascontiguousarray(array))
    else:
        writer.add_tensor(name, quantize(array, kind), raw_dtype=kind)


def _add_sizes(writer, config) -> None:
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
