"""Run folders: what training leaves behind, and how it comes back exactly as it was.

    adapter_model.safetensors  adapter_config.json   the adapter, and the head where there is one
    tokenizer files            README.md             tokenizer, model card
    run.json                                         what was done; written last, so a folder
                                                     with it is complete
    training_log.jsonl  checkpoints/                 the way there
    validation_predictions.jsonl                     what the trained model answered to the
                                                     validation questions, where there are some

The traps: an adapter loaded without its head gives random scores and no error, and a file can be
swapped or cut short. `run.json` holds a checksum of the trained tensors, and loading checks it.
"""

import hashlib
import json
import os
from pathlib import Path

from mcqa.backbones import RUN_FILE
from mcqa.errors import ModelError
from mcqa.files import write_json, write_whole
from mcqa.quiet import quiet_loading

ADAPTER_FILE = "adapter_model.safetensors"
VALIDATION_FILE = "validation_predictions.jsonl"
REQUIRED = ("formulation", "template", "base_model", "quantization", "dtype", "max_length")


def trained_checksum(model) -> str:
    """Return a sha256 over the names and bytes of an adapter's tensors, its head included."""
    import torch
    from peft import get_peft_model_state_dict

    digest = hashlib.sha256()
    with quiet_loading():
        state = get_peft_model_state_dict(model, save_embedding_layers=False)
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_run(folder: str | os.PathLike, model, tokenizer, record: dict, card: str) -> dict:
    """Write a finished run: adapter and head, tokenizer, model card, and last `run.json`.

    Returns:
        The record with the adapter's size and checksum added.
    """
    folder = Path(folder)
    model.active_peft_config.base_model_name_or_path = record["base_model"]
    model.save_pretrained(folder, save_embedding_layers=False)
    tokenizer.save_pretrained(folder)
    write_whole(folder / "README.md", card)
    record = record | {
        "adapter_bytes": (folder / ADAPTER_FILE).stat().st_size,
        "trained_sha256": trained_checksum(model),
    }
    write_json(folder / RUN_FILE, record)
    return record


def read_record(folder: str | os.PathLike) -> dict:
    """Read a run's `run.json`.

    Raises:
        ModelError: it is not JSON, or lacks a field.
    """
    path = Path(folder) / RUN_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}).") from error
    missing = [name for name in REQUIRED if not isinstance(record, dict) or name not in record]
    if missing:
        raise ModelError(f"{path}: not a run of mcqa, it lacks {', '.join(missing)}.")
    return record


def attach_adapter(model, folder: str | os.PathLike, record: dict, *, trainable: bool = False):
    """Put a run's adapter and head on its backbone, to score with or to train on.

    Raises:
        ModelError: the adapter is missing, or its tensors are not those that were saved.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    if not (Path(folder) / ADAPTER_FILE).is_file():
        raise ModelError(f"{folder}: {ADAPTER_FILE} is missing; this run cannot be loaded.")
    try:
        with quiet_loading():
            model = PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{folder}: the adapter is damaged and cannot be loaded: {reason}"
        ) from error
    if trained_checksum(model) != record.get("trained_sha256"):
        raise ModelError(
            f"{folder}: the adapter's tensors do not match the checksum in {RUN_FILE}; "
            "the file was changed or damaged. Train again or restore it."
        )
    return model.train(trainable)
