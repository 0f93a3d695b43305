"""Load what a model name means: quantized or not, on a GPU or a CPU.

The trap: a model's folder is somebody else's. Weights come from safetensors alone, for a pickle
runs code when it is opened; Python files beside them are never run; and weights that lack a tensor
are refused, for transformers fills it with random numbers and goes on.
"""

import contextlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, BitsAndBytesConfig

from heads.alignment import align
from heads.short_attention import use_short_attention
from mcqa.errors import ConfigError, ModelError
from mcqa.models.apple import mps_fault
from mcqa.models.embedded import ALIAS
from mcqa.models.names import located
from mcqa.models.recipes.table import DTYPES, QUANTIZATIONS
from mcqa.models.self_check import check_itself
from mcqa.system import processes
from mcqa.system.allocation import keep_freed_memory
from mcqa.system.quiet import quiet_loading

# What a message of transformers holds, and what to say in its place.
REASONS = {
    "trust_remote_code": "it needs Python code of its own, which is never run; only the "
    "architectures of transformers are.",
    "model.safetensors": "it has no model.safetensors, and nothing else is read: a pickle like "
    "pytorch_model.bin can run any code. Where you trust it, load it with transformers and save it "
    "with save_pretrained, which writes safetensors.",
    "ignore_mismatched_sizes": "its weights are of other sizes than its config.json says.",
    "backend tokenizer": "it has no tokenizer.json or other tokenizer file.",
}


def pick_device(device: str = "auto") -> str:
    """Return the torch device to use.

    `auto` is the first CUDA device; without one Apple's GPU where that works, or else the CPU,
    with a warning why. Of several processes each gets the CUDA device of its own number.

    Raises:
        ConfigError: there is no such device here, or not one for each process.
    """
    several = processes.count() > 1
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else _without_cuda(several)
        if not several:
            return device
    if several and device != "cpu":
        return _own_gpu(device)
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(
            f"device {device!r} cannot be used here: {reason}. Use auto, cpu, or cuda where there "
            "is a GPU."
        ) from error
    return device


def _without_cuda(several: bool) -> str:
    if several or not torch.backends.mps.is_available():
        return "cpu"
    if not (fault := mps_fault()):
        return "mps"
    warnings.warn(f"Apple's GPU (MPS) is not used: {fault}. The CPU is.", stacklevel=3)
    return "cpu"


def _own_gpu(device: str) -> str:
    number, there = processes.local_index(), torch.cuda.device_count()
    if device not in ("cuda", f"cuda:{number}"):
        raise ConfigError(
            f"device {device!r}: of several processes each takes the GPU of its own number. Leave "
            "the device out, or use cpu."
        )
    if number >= there:
        raise ConfigError(
            f"device: this machine has {there} GPUs, and more processes were started on it. Start "
            "one for each GPU, or use --device cpu."
        )
    return f"cuda:{number}"


def pick_dtype(dtype: str, device: str):
    """Return the torch dtype for a setting; `auto` is bfloat16 unless the GPU lacks it.

    A GPU that only emulates it (T4, V100) lacks it.
    """
    _check_choice("dtype", dtype, DTYPES)
    if dtype == "auto":
        dtype = "bfloat16"
        if device.startswith("cuda"):
            with torch.cuda.device(device):  # torch answers for the current one
                if not torch.cuda.is_bf16_supported(including_emulation=False):
                    dtype = "float16"
    return getattr(torch, dtype)


def _check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} {value!r}: must be one of {', '.join(allowed)}.")


def model_config(path: str):
    """Load a model's configuration; ModelError where there is none."""
    with _explained(path), quiet_loading():
        return AutoConfig.from_pretrained(**located(path), trust_remote_code=False)


def has_head(config) -> bool:
    """Tell a saved multiple-choice model from a language model by its architecture."""
    architectures = getattr(config, "architectures", None) or [""]
    return architectures[0].endswith("ForMultipleChoice")


def load_tokenizer(path: str):
    """Load a tokenizer, padding on the left for generation, whatever its pad token is."""
    with _explained(path), quiet_loading():
        tokenizer = AutoTokenizer.from_pretrained(**located(path), trust_remote_code=False)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_weights(
    model_class,
    path: str,
    *,
    quantization: str = "none",
    dtype="auto",
    device="auto",
    sharding: str | None = None,
    may_lack: Callable[..., Sequence[str]] | None = None,
    **more,
):
    """Load a model of `model_class`, frozen and in evaluation mode.

    Args:
        path: a folder or a Hub id, `@` and a revision behind it or not.
        quantization: one of `QUANTIZATIONS`, those of 4 bits with double quantization. A
            checkpoint that comes quantized stays as it is.
        dtype: one of `DTYPES`; also the compute type of a quantized model.
        device: `auto`, or a torch device.
        sharding: `FSDP` where that will take 4-bit weights apart, which it does only where they
            are stored as numbers of the compute type; see `mcqa.system.processes.sharding`.
        may_lack: from the model to the names of the modules that its weights need not hold.
        more: for `from_pretrained`.

    Raises:
        ModelError: nothing can be loaded from `path`, its weights lack a tensor, or it is a decoder
            whose scores would be wrong.
    """
    _check_choice("quantization", quantization, QUANTIZATIONS)
    device = pick_device(device)
    dtype = pick_dtype(dtype, device)
    with _explained(path), quiet_loading():
        if quantization != "none" and own_quantization(path) is None:
            storage = {"bnb_4bit_quant_storage": dtype} if sharding == "FSDP" else {}
            more["quantization_config"] = quantization_config(quantization, dtype, **storage)
        safe = {"use_safetensors": True, "trust_remote_code": False}
        more |= {"dtype": dtype, "device_map": {"": device}, "output_loading_info": True}
        model, found = model_class.from_pretrained(**located(path), **safe, **more)
    _check_complete(path, found["missing_keys"], may_lack(model) if may_lack else ())
    if not sharding:
        if device == "cpu" and getattr(model, "hf_quantizer", None) is not None:
            # What is not quantized is a view of the whole file, which would stay in memory too.
            for tensor in (*model.parameters(), *model.buffers()):
                if tensor.is_floating_point():
                    tensor.data = tensor.data.clone()
        suit_device(align(model), device)
    return check_itself(path, model.requires_grad_(False).eval(), runs=not sharding)


def suit_device(model, device: str):
    """Let a model compute on a CPU in the ways that suit it; elsewhere it stays as it is."""
    if device == "cpu":
        keep_freed_memory()
        use_short_attention(model)
        if getattr(model, "is_loaded_in_4bit", False):
            from mcqa.models.cpu.four_bit import use_plain_layers

            use_plain_layers(model)
    return model


def checkpoint_activations(model, how: dict | None = None) -> None:
    """Let a model keep less of its forward pass, and compute that again in the backward one.

    Args:
        how: keyword arguments of `torch.utils.checkpoint.checkpoint`, else transformers' own.
    """
    # transformers before 5.23 has the older name alone, later ones warn of it.
    name = "activation_checkpointing_enable"
    name = name if hasattr(model, name) else "gradient_checkpointing_enable"
    getattr(model, name)(how)


def _check_complete(path: str, missing: set[str], allowed: Sequence[str]) -> None:
    """Refuse weights without a tensor that is not of a module allowed to be new."""
    lacking = sorted(key for key in missing if not key.startswith(tuple(f"{n}." for n in allowed)))
    if lacking:
        more = f" and {len(lacking) - 1:,} more" if len(lacking) > 1 else ""
        raise ModelError(
            f"model {path!r}: its weights lack {lacking[0]}{more}, and would be random there. "
            "Restore the folder, or name a model of this architecture with all its weights."
        )


def own_quantization(path: str) -> dict | None:
    """Return how a checkpoint says that its weights are quantized, None where they are not."""
    return getattr(model_config(path), "quantization_config", None)


def quantization_config(quantization: str, dtype, **storage):
    """Return what transformers takes for `nf4`, `fp4` or `int8`, to compute in a torch dtype."""
    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    more = {"bnb_4bit_quant_type": quantization, "bnb_4bit_compute_dtype": dtype, **storage}
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_use_double_quant=True, **more)


def context_length(model, written: int = 0) -> int:
    """Return how many tokens the model's positions reach, without those `written` behind."""
    positions = getattr(model.config, "max_position_embeddings", None) or 2048
    if written and not model.config.is_encoder_decoder:  # which has two places
        positions -= written
    embeddings = (m for n, m in model.named_modules() if n.endswith(".position_embeddings"))
    # RoBERTa and its like count from behind the padding token's id: 514 positions are 512 tokens.
    padding = getattr(next(embeddings, None), "padding_idx", None)
    return positions if padding is None else positions - padding - 1


@contextlib.contextmanager
def _explained(path: str):
    """Turn a failed download or an unreadable folder into one line, by `REASONS` where known."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        reason = f"{first.removesuffix('.')}."
        reason = next((said for mark, said in REASONS.items() if mark in str(error)), reason)
        remedy = "Restore the folder, or name another model."
        if not Path(path).is_dir():
            remedy = (
                f"A model is {ALIAS!r}, a folder with a model, a run folder, a .gguf file, or "
                "a Hub id (which needs a network, once)."
            )
        raise ModelError(f"model {path!r} cannot be loaded: {reason} {remedy}") from error
