"""One road for both formulations: questions -> examples -> training loop -> run folder.

What differs between the formulations is behind `mcqa.formulations`; nothing here asks which one
it is.
"""

import contextlib
import platform
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel

import mcqa
from mcqa.data.reader import write_rejected
from mcqa.errors import RunError
from mcqa.models.adapters import adapted_modules, trainable_parameters
from mcqa.models.backbones import pick_dtype
from mcqa.models.cpu.spinning import giving_way
from mcqa.models.recipes.building import finish
from mcqa.models.recipes.weights import trained_tensors
from mcqa.runs.card import model_card
from mcqa.runs.trained import save_run, tensors_checksum
from mcqa.runs.training_folder import LOG_FILE, STARTED, TRACKED, begin, clear_run
from mcqa.system import processes
from mcqa.system.memory import PeakMemory
from mcqa.system.quiet import quiet_loading
from mcqa.training.checkpoints import Checkpoints
from mcqa.training.config import TrainingConfig
from mcqa.training.devices import Machine
from mcqa.training.loop import fit
from mcqa.training.mixture import overlaps
from mcqa.training.optimizers import make_optimizer, pick_optimizer
from mcqa.training.progress import (
    Listeners,
    ShowProgress,
    TrainingBar,
    TrainingLog,
    no_progress,
)
from mcqa.training.schedules import on_the_way
from mcqa.training.setup import Setup, prepare
from mcqa.training.sharding import whole_model
from mcqa.training.trackers import make_trackers, tracking
from mcqa.training.validation import validate

VERSIONED = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "datasets")


def train(
    formulation_name: str,
    config: TrainingConfig,
    announce: Callable[[str], None] = print,
    progress: ShowProgress = no_progress,
) -> dict:
    """Fine-tune a model on questions and write its run folder.

    Started as one of several processes, all must call it; the main one announces and writes.

    Args:
        formulation_name: `generative` or `multiple_choice`.
        config: the settings.
        announce: called with the lines for the user.
        progress: shows live how far training and the validation at its end are.

    Returns:
        What `run.json` holds.

    Raises:
        McqaError: a setting, the data or the model cannot be used; nothing has been trained or
            removed then.
    """
    with processes.together(), contextlib.ExitStack() as held:
        if not processes.is_main():
            announce, progress = _say_nothing, no_progress
        return _train(prepare(formulation_name, config, announce, held), announce, progress)


def _say_nothing(line: str) -> None:
    """Take a line for the user from a process that is not the main one."""


def _train(setup: Setup, announce: Callable[[str], None], progress: ShowProgress) -> dict:
    processes.wait()  # until all have seen the run folder as it was
    checkpoint = processes.on_main(lambda: _begin(setup, announce))
    optimizer = pick_optimizer(setup.config.optimizer, setup.device, announce)
    log, memory = TrainingLog(setup.folder / LOG_FILE, announce), PeakMemory(setup.device)
    trainable = trainable_parameters(setup.learner.model)
    model, standing = _fit(setup, optimizer, log, progress, checkpoint)
    outcome = {
        "seconds": log.seconds,
        "peak_memory_bytes": memory.bytes,
        "trainable_parameters": trainable,
        "optimizer": optimizer,
        "steps": standing.step,
        "train_loss": standing.train_loss,
        "best_step": standing.best_step,
        "best_metric": setup.config.best_metric,
        "best_validation_value": standing.best_value,
    }
    outcome |= validate(
        setup.learner.scorer,
        [] if processes.sharding() else setup.data.validation,
        setup.folder,
        setup.config.batch_size,
        announce,
        progress,
    )
    return processes.on_main(lambda: _write(setup, model, outcome, announce))


def _write(setup: Setup, model, outcome: dict, announce: Callable[[str], None]) -> dict:
    """Write the run folder, and return what its `run.json` holds."""
    record = _record(setup, adapted_modules(model), outcome)
    record = save_run(setup.folder, model, setup.learner.tokenizer, record, model_card(record))
    (setup.folder / STARTED).unlink()
    announce(f"Trained in {record['seconds']:.0f} s: {setup.folder}")
    return record


def _begin(setup: Setup, announce: Callable[[str], None]) -> Path | None:
    """Clear the run folder where asked to, say what will be done, and from which checkpoint on."""
    config, training, validation = setup.config, setup.training, setup.validation
    if config.overwrite:
        clear_run(setup.folder)
    checkpoint = begin(setup.folder, setup.work, resume=config.resume)
    shared = overlaps(
        [one.questions for one in training.sets], training.names, validation.questions
    )
    for remark in (*training.remarks(), *validation.remarks(), *shared):
        announce(remark)
    rejected = [*training.rejected, *validation.account.rejected]
    write_rejected(setup.folder, rejected, announce=announce)
    announce(
        f"Training {setup.formulation.NAME} ({setup.objective.name}) on "
        f"{training.described()} "
        f"({config.recipe}, {config.template}, {config.quantization}, {setup.device}); "
        f"{trainable_parameters(setup.learner.model):,} trainable parameters; "
        f"{_step_size(setup)}; run folder {setup.folder}"
    )
    return checkpoint


def _step_size(setup: Setup) -> str:
    """Say how many questions an optimizer step takes, over all processes."""
    count, size, passes = processes.count(), setup.data.batch_size, setup.data.accumulation
    told = f"{setup.data.questions_per_step:,} questions a step"
    if count * passes == 1:
        return told
    return f"{told} (processes {count} x batch {size} x accumulation {passes})"


def _fit(
    setup: Setup,
    optimizer: str,
    log: TrainingLog,
    progress: ShowProgress,
    checkpoint: Path | None,
):
    """Train, or go on training, and return the model as it will be saved, and how it went."""
    config, data, learner = setup.config, setup.data, setup.learner
    dtype = pick_dtype(config.dtype, setup.device)
    model = learner.model
    model.config.use_cache = False
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable()
    trackers = make_trackers(config.report_to, setup.folder / TRACKED, setup.folder.absolute().name)
    machine = Machine(
        setup.device,
        dtype,
        batch_size=data.batch_size,
        accumulation=data.accumulation,
        trackers=trackers,
    )

    def accuracy() -> float:
        # Weights that train are float32 in a model that may compute in bfloat16.
        mixed = contextlib.nullcontext() if isinstance(model, PeftModel) else machine.mixed()
        with mixed:
            scored = learner.scorer.score_encoded(data.validation, data.batch_size)
        return sum(prediction.correct for prediction in scored) / len(scored)

    with (
        tracking(machine.accelerator, config.model_dump(mode="json")),
        quiet_loading(),
        contextlib.ExitStack() as closing,
        giving_way(setup.device),
    ):
        listeners = [log]
        if progress is not no_progress:
            batch = data.batch_size * processes.count()
            listeners.append(
                TrainingBar(len(data.training), batch, data.accumulation, progress, closing)
            )
        wrapped, standing = fit(
            model,
            make_optimizer(
                model,
                optimizer,
                learning_rate=config.learning_rate,
                weight_decay=config.weight_decay,
            ),
            data,
            setup.schedule,
            machine=machine,
            checkpoints=Checkpoints(setup.folder, machine.accelerator, model),
            listener=Listeners(*listeners),
            recipe=on_the_way(model, config.recipe, config.recipe_settings()),
            accuracy=accuracy if config.best_metric == "accuracy" else None,
            resume=checkpoint,
        )
    return _finished(setup, machine, wrapped), standing


def _finished(setup: Setup, machine: Machine, wrapped):
    """Return the trained model as it will be saved and scored.

    Raises:
        RunError: the processes did not come to the same weights.
    """
    if processes.sharding():
        model = whole_model(setup.learner.build, machine.accelerator, wrapped)
        if model is None:
            return None
    else:
        model = setup.learner.model
        _check_alike(model)
    return finish(
        model, setup.config.recipe, dtype=machine.dtype, generates=setup.learner.head is None
    )


def _check_alike(model) -> None:
    if processes.count() > 1:
        digests = processes.gather(tensors_checksum(trained_tensors(model)))
        if len(set(digests)) > 1:
            raise RunError(
                "the processes did not come to the same weights, and nothing was saved. This is a "
                "bug of mcqa: please report the command. One process trains as it should."
            )


def _record(setup: Setup, target_modules: list[str] | None, outcome: dict) -> dict:
    """Return what `run.json` says, but for what saving adds."""
    config, validation = setup.config, setup.validation.record
    recipe_settings = set(config.recipe_settings())
    dtype = pick_dtype(config.dtype, setup.device)
    return {
        "formulation": setup.formulation.NAME,
        "objective": setup.objective.name,
        "template": config.template,
        "context": setup.learner.encoder.contexts.record,
        "head": setup.learner.head,
        "base_model": setup.learner.base_model,
        "base_commit": setup.learner.base_commit,
        "started_from": config.model,
        "quantization": config.quantization,
        "dtype": str(dtype).removeprefix("torch."),
        "max_length": setup.learner.encoder.max_length,
        "train": setup.training.record(),
        "validation": asdict(validation) if validation else None,
        "target_modules": target_modules,
        "seed": config.seed,
        "device": setup.device,
        "processes": processes.count(),
        "threads": torch.get_num_threads(),
        **outcome,
        "recipe": config.recipe,
        "recipe_settings": config.model_dump(mode="json", include=recipe_settings),
        "settings": config.model_dump(mode="json"),
        "versions": {
            "mcqa": mcqa.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONED},
        },
    }
