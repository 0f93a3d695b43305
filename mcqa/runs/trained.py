"""Run folders: what training leaves behind, and how it comes back exactly as it was.

What PEFT has a format for is in its files, all else that was trained in `TRAINED_FILE`; `run.json`
is written last. The traps: an adapter without its head gives random scores and no error, and a file
can be swapped or cut short. So `run.json` has a checksum of these tensors, which loading checks.
"""

import hashlib
import json
import os
from pathlib import Path

from mcqa.errors import McqaError, ModelError
from mcqa.kinds import KINDS as QUESTION_KINDS
from mcqa.models.names import RUN_FILE, ModelReference, pinned, resolve_model
from mcqa.models.recipes.table import DEFAULT, DTYPES, QUANTIZATIONS, RECIPES
from mcqa.prompting.prompts import TEMPLATES
from mcqa.system.files import whole_files, write_json, write_whole
from mcqa.system.quiet import quiet_loading

ADAPTER_FILE = "adapter_model.safetensors"
VALIDATION_FILE = "validation_predictions.jsonl"
TRAINED_FILE = "trained.safetensors"
PICKLE = "adapter_model.bin"
REMEDY = "Restore the run folder, or train again."
REQUIRED = ("formulation", "template", "base_model", "quantization", "dtype")
REQUIRED += ("max_length", "trained_sha256")
OBJECTS = ("head", "context", "calibration", "recipe_settings", "base_gguf")
OPTIONAL = ("objective", "base_commit", "recipe", *OBJECTS)
KINDS = {"max_length": (int, "a whole number"), **dict.fromkeys(OBJECTS, (dict, "an object"))}
CHOICES = {
    "formulation": ("generative", "multiple_choice"),
    "template": tuple(TEMPLATES),
    "quantization": QUANTIZATIONS,
    "dtype": DTYPES,
    "recipe": tuple(RECIPES),
}


def trained_checksum(model, tensors: dict | None = None) -> str:
    """Return a sha256 over the names and bytes of PEFT's adapter and of what trained beside it."""
    from peft import PeftModel, get_peft_model_state_dict

    state = {}
    if isinstance(model, PeftModel):
        with quiet_loading():
            state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return tensors_checksum(state | (tensors or {}))


def tensors_checksum(tensors: dict) -> str:
    """Return a sha256 over the names and bytes of tensors; it takes about 1 s a GB."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy())
    return digest.hexdigest()


def save_run(folder: str | os.PathLike, model, tokenizer, record: dict, card: str) -> dict:
    """Write a finished run: what was trained, tokenizer, model card, and last `run.json`.

    Args:
        model: as `mcqa.models.recipes.building.finish` returns it.
        record: what was done; its `recipe` says how the model is kept.

    Returns:
        The record with size and checksum of what was trained added.
    """
    from mcqa.models.recipes.weights import trained_tensors

    folder, tensors = Path(folder), {}
    kept_by = _recipe_of(record).kept_by
    if kept_by != "peft":  # which saves no weights of the model itself, nor a prompt's head
        tensors = trained_tensors(model.get_base_model() if kept_by == "prompt" else model)
    with whole_files(folder) as made:
        if kept_by != "weights":
            model.active_peft_config.base_model_name_or_path = record["base_model"]
            model.active_peft_config.revision = record.get("base_commit")
            model.save_pretrained(made, save_embedding_layers=False)
        if tensors:
            save_tensors(tensors, made / TRAINED_FILE)
        tokenizer.save_pretrained(made)
    write_whole(folder / "README.md", card)
    files = [folder / name for name in (ADAPTER_FILE, TRAINED_FILE)]
    record = record | {
        "adapter_bytes": sum(file.stat().st_size for file in files if file.is_file()),
        "trained_sha256": trained_checksum(model, tensors),
    }
    write_json(folder / RUN_FILE, record)
    return record


def save_tensors(tensors: dict, path: Path) -> None:
    """Write a file of tensors by their names."""
    from safetensors.torch import save_file

    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(whole, path, metadata={"format": "pt"})


def _recipe_of(record: dict):
    return RECIPES[record.get("recipe", DEFAULT)]


def read_record(folder: str | os.PathLike) -> dict:
    """Read a run's `run.json`, or raise ModelError where it is none, or not whole."""
    path = Path(folder) / RUN_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}). {REMEDY}") from error
    missing = [name for name in REQUIRED if not isinstance(record, dict) or name not in record]
    if missing:
        raise ModelError(f"{path}: not a run of mcqa, it lacks {', '.join(missing)}. {REMEDY}")
    if isinstance(record.get("recipe"), dict):  # so called before there were others than LoRA
        settings = record["recipe"]
        names = settings.keys() & RECIPES[DEFAULT].settings
        record |= {
            "recipe": DEFAULT,
            "recipe_settings": {name: settings[name] for name in names},
            "settings": settings,
        }
    for name in (*REQUIRED, *(name for name in OPTIONAL if record.get(name) is not None)):
        value, (kind, words) = record[name], KINDS.get(name, (str, "a text"))
        if not isinstance(value, kind):
            raise ModelError(f"{path}: {name} is {value!r}, not {words}. {REMEDY}")
        if name in CHOICES and value not in CHOICES[name]:
            allowed = ", ".join(CHOICES[name])
            raise ModelError(f"{path}: {name} is {value!r}, not one of {allowed}. {REMEDY}")
    return record


def by_kind(found: dict) -> dict[str, dict]:
    """Return by kind what a record says of its validation questions, `{}` where that is nothing.

    Of plain choices alone a record has it without their kind, as all had before there were others.
    """
    return found if found.keys() <= QUESTION_KINDS.keys() else {"choice": found}


def base_of(folder: str | os.PathLike, record: dict) -> ModelReference:
    """Return the model a run was trained on, at its commit then, or raise ModelError without it."""
    name, commit = record["base_model"], record.get("base_commit")
    try:
        base = resolve_model(name)
        if base.kind == "gguf":
            _check_same_file(base, record)
        return pinned(resolve_model(f"{name}@{commit}")) if base.kind == "hub" and commit else base
    except ModelError as error:
        raise ModelError(
            f"{folder}: the base model of this run is gone. {error} Put it back, or write into "
            f"{RUN_FILE} as base_model where it is now."
        ) from error


def _check_same_file(base: ModelReference, record: dict) -> None:
    """Raise ModelError for a GGUF file that is not the one that the run was trained on."""
    from mcqa.models.backbones import model_config

    trained_on = (record.get("base_gguf") or {}).get("sha256")
    found = model_config(base.path).gguf["sha256"]
    if trained_on and trained_on != found:
        raise ModelError(
            f"{base.name} has the sha256 {found[:16]}…, and it was trained on {trained_on[:16]}…."
        )


def attach_adapter(model, folder: str | os.PathLike, record: dict, *, trainable: bool = False):
    """Put what a run trained on its backbone, to score with or to train on.

    Returns:
        A `peft.PeftModel`, or the model itself where its own weights were trained.

    Raises:
        ModelError: a file is missing, or its tensors are not those that were saved.
    """
    from safetensors import SafetensorError

    from mcqa.models.recipes.restarts import go_on

    try:
        with quiet_loading():
            model, tensors = _load(model, Path(folder), record, trainable)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, SafetensorError) as error:
        if isinstance(error, McqaError):
            raise
        reason = str(error).strip().partition("\n")[0].rstrip(".:")
        raise ModelError(
            f"{folder}: the adapter is damaged and cannot be loaded: {reason}. {REMEDY}"
        ) from error
    if trained_checksum(model, tensors) != record.get("trained_sha256"):
        raise ModelError(
            f"{folder}: the adapter's tensors do not match the checksum in {RUN_FILE}; "
            f"the file was changed or damaged. {REMEDY}"
        )
    if trainable and record.get("recipe") == "relora":
        model = go_on(model, record["recipe_settings"]["lora_r"])
    return model.train(trainable)


def _load(model, folder: Path, record: dict, trainable: bool):
    """Return the model with what was trained, and those tensors that PEFT did not load."""
    from peft import PeftModel, set_peft_model_state_dict
    from safetensors.torch import load_file

    from mcqa.models.adapters import head_names
    from mcqa.models.recipes import building, low_rank, soft_prompts, weights

    name, recipe = record.get("recipe", DEFAULT), _recipe_of(record)
    if recipe.kept_by == "weights":
        tensors = load_file(_present(folder, TRAINED_FILE))
        model = building.BUILDERS[name](model, **record["recipe_settings"])
        weights.load_tensors(model, tensors)
        return weights.raise_precision(model) if trainable else model, tensors
    adapter = _present(folder, ADAPTER_FILE)
    if recipe.kept_by == "peft" or not trainable:
        wrapper = low_rank.regularized_class() if name == "adalora" else PeftModel
        model = wrapper.from_pretrained(model, str(folder), is_trainable=trainable)
    else:
        soft_prompts.check_goes_on(name)
        model = building.BUILDERS[name](model, **record["recipe_settings"])
        set_peft_model_state_dict(model, load_file(adapter))
    if recipe.kept_by == "peft":
        return low_rank.mend(model), {}
    base = soft_prompts.connect(model).get_base_model()
    tensors = load_file(_present(folder, TRAINED_FILE)) if head_names(base) else {}
    weights.load_tensors(base, tensors)
    return model, tensors


def _present(folder: Path, name: str) -> Path:
    if (folder / name).is_file():
        return folder / name
    pickled = f" {PICKLE} is a pickle, which can run any code, and is not read."
    pickled = pickled if (folder / PICKLE).is_file() else ""
    raise ModelError(f"{folder}: {name} is missing.{pickled} {REMEDY}")
