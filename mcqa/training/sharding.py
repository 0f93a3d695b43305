"""Training with the weights in shards, by FSDP or DeepSpeed ZeRO-3: what goes, and what to save.

Each process holds a part of every tensor, so that nothing here may look into the model while it
trains. At the end accelerate gathers the weights, and the main process puts what was trained into a
model that it builds anew, whole and on the CPU, to save it as any other run.
"""

from accelerate import Accelerator

from mcqa.errors import ConfigError, RunError
from mcqa.models.recipes.weights import load_tensors, trained_tensors
from mcqa.system import processes

IN_SHARDS = {"recipe": ("full", "lora", "rslora", "qlora"), "best_metric": ("loss",)}
QUANTIZATIONS = {"FSDP": ("none", "nf4", "fp4"), "DeepSpeed": ("none",)}


def check_sharding(**settings: str) -> None:
    """Raise a ConfigError of all settings that do not go with weights in shards, if any are."""
    kind = processes.sharding()
    if kind is None:
        return
    allowed = IN_SHARDS | {"quantization": QUANTIZATIONS[kind]}
    faults = [
        f"  {name} {value}: use {', '.join(allowed[name])}\n"
        for name, value in settings.items()
        if value not in allowed[name]
    ]
    if faults:
        raise ConfigError(
            f"{kind} keeps the weights in shards, which does not go with these settings:\n"
            f"{''.join(faults)}Or start the processes without it: each then has the whole model."
        )


def whole_model(build, accelerator: Accelerator, model):
    """Return the trained model in the main process, None in the others; all must call.

    `build` is that of `mcqa.training.setup.Setup`; `model` is what accelerate took apart.

    Raises:
        RunError: what was gathered is not what the recipe trains.
    """
    gathered = accelerator.get_state_dict(model)
    if not processes.is_main():
        return None
    whole, _ = build("cpu")
    start = {name: tensor.clone() for name, tensor in trained_tensors(whole).items()}
    try:
        load_tensors(whole, {name: gathered[name] for name in start})
    except (RuntimeError, KeyError, ValueError) as error:
        raise RunError(
            "the trained weights cannot be put together from their shards: "
            f"{str(error).partition(chr(10))[0]}"
        ) from error
    if all(tensor.equal(start[name]) for name, tensor in trained_tensors(whole).items()):
        raise RunError("nothing was trained; the shards were not gathered.")
    return whole
