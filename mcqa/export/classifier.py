"""A head as transformers' own sequence classification: one label, the last token, no bias.

vLLM and SGLang serve that class; the softmax over a question's options is the caller's. The traps:
the class looks for the last token that is not padding, by its number; `problem_type` regression is
what keeps a server from putting a sigmoid on the score; and in bfloat16 the head is rounded too.
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

from heads.encoder import is_encoder
from heads.multiple_choice import HEAD_NAME
from mcqa.errors import ConfigError, ModelError
from mcqa.models.recipes.table import DEFAULT, RECIPES
from mcqa.runs.trained import ADAPTER_FILE, save_tensors, tensors_checksum
from mcqa.system.files import write_json

SCORE = "score"
OWN = ("multiple_choice", "auto_map", "architectures")  # in our configurations
ADAPTER_CONFIG = "adapter_config.json"


def check_head(run: str, record: dict, config, name: str) -> None:
    """Raise ConfigError unless a run has the default head on a decoder, which a format needs.

    Args:
        config: of the run's base.
        name: of the format.
    """
    if record["formulation"] != "multiple_choice":
        raise ConfigError(
            f"{run}: format {name} is for multiple-choice runs, and this one is generative. Use "
            "--format gguf, or `mcqa merge`."
        )
    if is_encoder(config):
        raise ConfigError(
            f"{run}: format {name} is for the head of decoders, and the base is a "
            f"{config.model_type}, whose multiple-choice class is transformers' own. Use `mcqa "
            "merge`."
        )
    head = record.get("head") or {}
    needed = {"pooling": "last", "interaction": "none"}
    others = {n: head.get(n, value) for n, value in needed.items() if head.get(n, value) != value}
    if others:
        has = ", ".join(f"{setting} {value!r}" for setting, value in others.items())
        raise ConfigError(
            f"{run}: its head has {has}, and format {name} scores the last token by one vector of "
            "weights. Use `mcqa merge`, whose folder keeps this head, or train with --pooling last "
            "--interaction none."
        )


def check_class(run: str, config) -> None:
    """Raise ConfigError where transformers has no such class for a decoder, or another one."""
    class_ = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(type(config), None)
    if class_ is not None:
        with torch.device("meta"):
            score = getattr(class_(_one_label(config, 0)), SCORE, None)
    if class_ is None or getattr(score, "bias", score) is not None:
        raise ConfigError(
            f"{run}: transformers has no sequence classification by one vector of weights for "
            f"{config.model_type!r}. Use `mcqa merge`, whose folder has the head's code."
        )


def _one_label(config, pad_token_id: int):
    values = {name: v for name, v in config.to_dict().items() if name not in OWN}
    config = type(config).from_dict(values)
    config.update({"pad_token_id": pad_token_id, "problem_type": "regression"})
    config.num_labels = 1
    return config


def as_classifier(merged, pad_token_id: int):
    """Return a merged model's trunk under transformers' own head, all of it of one dtype.

    It is to be saved: buffers that no file holds are empty.
    """
    config = _one_label(merged.config, pad_token_id)
    with torch.device("meta"):
        model = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)](config)
    trunk = f"{merged.base_model_prefix}."
    state = {name: t for name, t in merged.state_dict().items() if name.startswith(trunk)}
    state[f"{SCORE}.weight"] = merged.option_head.weight.detach().to(merged.dtype)
    model.load_state_dict(state, assign=True)
    model.config.dtype = merged.dtype
    return model.requires_grad_(False).eval()


def write_adapter(run: Path, record: dict, folder: Path) -> None:
    """Write a run's adapter with its head as the `score` that PEFT saves beside the adapter.

    Raises:
        ConfigError: PEFT has no format for what the run trained.
        ModelError: the adapter is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    name = record.get("recipe", DEFAULT)
    if RECIPES[name].kept_by != "peft":
        raise ConfigError(
            f"{run}: recipe {name!r} trains {RECIPES[name].trains}, for which PEFT has no adapter "
            "with a head. Leave --adapter out."
        )
    try:
        tensors = load_file(run / ADAPTER_FILE)
        config = json.loads((run / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(
            f"{run}: the adapter cannot be read. Restore the run folder, or train again."
        ) from error
    if tensors_checksum(tensors) != record["trained_sha256"]:
        raise ModelError(
            f"{run}: the adapter's tensors do not match the checksum in run.json; the file was "
            "changed or damaged. Restore the run folder, or train again."
        )
    save_tensors(
        {name.replace(f".{HEAD_NAME}.", f".{SCORE}."): t for name, t in tensors.items()},
        folder / ADAPTER_FILE,
    )
    config |= {"modules_to_save": [SCORE], "task_type": "SEQ_CLS"}
    write_json(folder / ADAPTER_CONFIG, config)


def load_classifier(folder: str, record: dict, base: str | None, pad_token_id: int):
    """Load what was written with transformers and PEFT alone.

    Args:
        base: where an adapter's base is; None for a merged folder.
    """
    from peft import PeftModel

    from mcqa.models.backbones import own_quantization, quantization_config
    from mcqa.models.names import located

    if base is None:
        return AutoModelForSequenceClassification.from_pretrained(folder).eval()
    dtype = getattr(torch, record["dtype"])
    how = {"dtype": dtype, "num_labels": 1, "pad_token_id": pad_token_id}
    if record["quantization"] != "none" and own_quantization(base) is None:
        how["quantization_config"] = quantization_config(record["quantization"], dtype)
        how["quantization_config"].llm_int8_skip_modules = [SCORE]
    model = AutoModelForSequenceClassification.from_pretrained(**located(base), **how)
    return PeftModel.from_pretrained(model, folder).eval()
