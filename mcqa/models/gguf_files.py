"""GGUF files as models: converted once, to safetensors and a tokenizer in the cache folder.

The folder is found by the file's checksum, and its config.json says as `gguf` what the weights were
kept in. Blocks are unpacked to bfloat16; floating-point numbers stay as the file has them. The
traps: what a file lacks transformers fills with random numbers, and one of several parts, or a file
cut short, may still have a header that can be read.
"""

import functools
import os
import re
import shutil
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from mcqa.data.files import file_sha256
from mcqa.errors import McqaError, ModelError
from mcqa.system.files import cache_folder, whole_folder
from mcqa.system.quiet import quiet_loading

ENDING = ".gguf"
MAGIC = b"GGUF"
PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$", re.IGNORECASE)
FLOATS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # what torch has too
UNREADABLE = (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, OSError)


def ensure_converted(path: str | os.PathLike) -> Path:
    """Return the folder of a GGUF file's converted model, and say what its weights are kept in.

    Raises:
        ModelError: it is no such file, or damaged, or transformers cannot read what it holds.
    """
    state = Path(path).stat()
    return _converted(str(path), state.st_size, state.st_mtime_ns)


@functools.cache  # a checksum takes a second a GB, and a command asks for its models several times
def _converted(name: str, size: int, changed: int) -> Path:
    source = Path(name)
    facts = _read_facts(source)
    digest = file_sha256(source)
    folder = cache_folder() / "models" / f"{source.stem}-{digest[:12]}"
    told = f"{name}: {facts['architecture']}, weights in {facts['weights']}"
    if is_converted(folder):
        print(f"{told}; read as {facts['dtype']} from {folder}", file=sys.stderr)
        return folder
    print(f"{told}; converting once, to {facts['dtype']} in {folder}", file=sys.stderr)
    about = {"file": source.name, "sha256": digest, "weights": facts["weights"]}
    try:
        with converting(folder) as made:
            convert(source, made, dtype=facts["dtype"], gguf=about)
    except UNREADABLE as error:
        if isinstance(error, McqaError):
            raise
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise ModelError(
            f"model {name!r} cannot be converted: {reason}. Name another GGUF file, or the model "
            "that it was made of."
        ) from error
    return folder


def _read_facts(source: Path) -> dict[str, str]:
    """Return a file's architecture, in words what its weights are kept in, and the type to use."""
    from gguf import GGUFReader

    with source.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ModelError(
                f"model '{source}' is no GGUF file: it does not begin with the four letters GGUF."
            )
    try:
        reader = GGUFReader(source)
        architecture = reader.fields["general.architecture"].contents()
        parts = reader.fields["split.count"].contents() if "split.count" in reader.fields else 1
        weights = Counter()
        for tensor in reader.tensors:
            weights[tensor.tensor_type.name] += int(tensor.n_elements)
    except UNREADABLE as error:
        raise ModelError(
            f"model '{source}' is damaged or cut short: its header or its tensors cannot be read. "
            "Download it again."
        ) from error
    if parts > 1 or PART.search(source.name):
        raise ModelError(
            f"model '{source}' is one of several parts of a model. Join them with llama.cpp's "
            "`llama-gguf-split --merge`, and name the result."
        )
    kinds = [name for name, _ in weights.most_common()]
    floating = [name for name in ("BF16", "F16", "F32") if name in kinds]  # norms stay in F32
    dtype = FLOATS[floating[0]] if set(kinds) <= set(FLOATS) and kinds else "bfloat16"
    shares = [f"{name} {_percent(weights[name] / weights.total())}" for name in kinds]
    return {"architecture": architecture, "weights": ", ".join(shares), "dtype": dtype}


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "<1%"


def is_converted(folder: Path) -> bool:
    """Say whether a model was converted into this folder, to the end."""
    return (folder / "config.json").is_file()


@contextmanager
def converting(folder: Path):
    """Give a folder to convert into, which takes its place unless another process was faster."""
    try:
        with whole_folder(folder) as temporary, quiet_loading():
            yield temporary
            if not is_converted(folder):
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        if not is_converted(folder):
            raise


def convert(source: Path, folder: Path, *, dtype: str = "bfloat16", **about) -> None:
    """Write a GGUF file's model and tokenizer as transformers has them; ModelError if it lacks any.

    Args:
        dtype: of the tensors that are written.
        about: what the configuration is to say besides.
    """
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForSeq2SeqLM,
        AutoTokenizer,
        GgufConfig,
    )

    location = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    apart = AutoConfig.from_pretrained(**location).is_encoder_decoder
    model, found = (AutoModelForSeq2SeqLM if apart else AutoModelForCausalLM).from_pretrained(
        **location,
        dtype=getattr(torch, dtype),
        quantization_config=GgufConfig(dequantize=True),
        output_loading_info=True,
    )
    if missing := sorted(found["missing_keys"]):
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise ModelError(
            f"model '{source}': its weights lack {missing[0]}{more}, and would be random there. "
            "Name another GGUF file."
        )
    model.config.update(about)
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(**location)
    for kind in ("bos", "eos", "pad"):  # which some tokenizers do not take over from the file
        number = getattr(model.config, f"{kind}_token_id", None)
        if getattr(tokenizer, f"{kind}_token") is None and isinstance(number, int):
            token = tokenizer.convert_ids_to_tokens(number)
            tokenizer.add_special_tokens({f"{kind}_token": token})
    tokenizer.save_pretrained(folder)
