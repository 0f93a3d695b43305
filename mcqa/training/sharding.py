"""Training with the weights in shards, by FSDP or DeepSpeed ZeRO-3: what goes, and what to save.

Each process holds a part of every tensor, so that nothing here may look into the model while it
trains. At the end the Trainer gathers what was trained, and the main process puts it into a model
that it builds anew, whole and on the CPU, to save it as any other run.
"""

import shutil
from pathlib import Path

from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file

from mcqa import distributed
from mcqa.checkpoints import ADAPTER_FILE, TRAINED_FILE
from mcqa.errors import ConfigError, RunError
from mcqa.recipes.weights import load_tensors, trained_tensors
from mcqa.training.config import TrainingConfig

RECIPES = ("full", "lora", "rslora", "qlora")
QUANTIZATIONS = {"FSDP": ("none", "nf4", "fp4"), "DeepSpeed": ("none",)}


def check_sharding(config: TrainingConfig) -> None:
    """Make sure that weights in shards, where that is asked for, go with the settings.

    Raises:
        ConfigError: they do not; all faults at once.
    """
    kind = distributed.sharding()
    if kind is None:
        return
    allowed = {
        "recipe": RECIPES,
        "quantization": QUANTIZATIONS[kind],
        "best_metric": ("loss",),
    }
    faults = [
        f"  {name} {getattr(config, name)}: use {', '.join(values)}"
        for name, values in allowed.items()
        if getattr(config, name) not in values
    ]
    if faults:
        told = "\n".join(faults)
        raise ConfigError(
            f"{kind} keeps the weights in shards, which does not go with these settings:\n{told}\n"
            "Or start the processes without it: each then has the whole model."
        )


def whole_model(build, trainer, folder: Path):
    """Return the trained model in the main process, None in the others; all must call.

    Args:
        build: returns the model as it was before training, on the device that it is given.
        trainer: the Trainer that trained it.
        folder: where the Trainer writes what was trained, in between.

    Raises:
        RunError: what the Trainer gathered is not what the recipe trains.
    """
    trainer.save_model(str(folder))
    if not distributed.is_main():
        return None
    model = build("cpu")
    start = {name: tensor.clone() for name, tensor in trained_tensors(model).items()}
    try:
        if isinstance(model, PeftModel):
            set_peft_model_state_dict(model, load_file(folder / ADAPTER_FILE))
        else:
            load_tensors(model, load_file(folder / TRAINED_FILE))
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise RunError(
            f"the trained weights cannot be put together from {folder}: "
            f"{str(error).partition(chr(10))[0]}"
        ) from error
    shutil.rmtree(folder)
    moved = trained_tensors(model)
    if all(moved[name].equal(tensor) for name, tensor in start.items()):
        raise RunError(f"{folder}: nothing in it was trained; the shards were not gathered.")
    return model
