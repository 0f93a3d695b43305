"""One road for both formulations: questions -> examples -> Trainer -> run folder.

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
from transformers import PrinterCallback

import mcqa
from mcqa import distributed
from mcqa.adapters import adapted_modules, trainable_parameters
from mcqa.backbones import pick_dtype
from mcqa.checkpoints import save_run, tensors_checksum
from mcqa.data.reader import write_rejected
from mcqa.errors import RunError
from mcqa.memory import PeakMemory
from mcqa.quiet import quiet_loading
from mcqa.recipes.building import finish
from mcqa.recipes.weights import trained_tensors
from mcqa.spinning import giving_way
from mcqa.training.arguments import pick_optimizer, trainer_arguments
from mcqa.training.card import model_card
from mcqa.training.config import TrainingConfig
from mcqa.training.folder import CHECKPOINTS, STARTED, TRACKED, begin, clear_run
from mcqa.training.mixture import overlaps
from mcqa.training.progress import LOG_FILE, Progress, TrainingBar, TrainingLog, no_progress
from mcqa.training.schedules import recipe_callbacks
from mcqa.training.setup import Setup, prepare
from mcqa.training.sharding import whole_model
from mcqa.training.trackers import tracking_into
from mcqa.training.trainer import RecipeTrainer
from mcqa.training.validation import validate

VERSIONED = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "datasets")


def train(
    formulation_name: str,
    config: TrainingConfig,
    announce: Callable[[str], None] = print,
    progress: Progress = no_progress,
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
    with distributed.together(), contextlib.ExitStack() as held:
        if not distributed.is_main():
            announce, progress = _say_nothing, no_progress
        return _train(prepare(formulation_name, config, announce, held), announce, progress)


def _say_nothing(line: str) -> None:
    """Take a line for the user from a process that is not the main one."""


def _train(setup: Setup, announce: Callable[[str], None], progress: Progress) -> dict:
    distributed.wait()  # until all have seen the run folder as it was
    checkpoint = distributed.on_main(lambda: _begin(setup, announce))
    optimizer = pick_optimizer(setup.config.optimizer, setup.device, announce)
    log, memory = TrainingLog(setup.folder / LOG_FILE, announce), PeakMemory(setup.device)
    trainable = trainable_parameters(setup.model)
    trainer = _fit(setup, optimizer, log, progress, checkpoint)
    outcome = {
        "seconds": log.seconds,
        "peak_memory_bytes": memory.bytes,
        "trainable_parameters": trainable,
        "optimizer": optimizer,
        **_outcome(trainer.state, setup.config),
    }
    model = _finished(setup, trainer)
    outcome |= validate(
        setup.scorer,
        [] if distributed.sharding() else setup.validation_encoded,
        setup.folder,
        setup.config.batch_size,
        announce,
        progress,
    )
    return distributed.on_main(lambda: _write(setup, model, outcome, announce))


def _write(setup: Setup, model, outcome: dict, announce: Callable[[str], None]) -> dict:
    """Write the run folder, and return what its `run.json` holds."""
    record = _record(setup, adapted_modules(model), outcome)
    record = save_run(setup.folder, model, setup.tokenizer, record, model_card(record))
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
        f"{trainable_parameters(setup.model):,} trainable parameters; {_step_size(config)}; "
        f"run folder {setup.folder}"
    )
    return checkpoint


def _step_size(config: TrainingConfig) -> str:
    """Say how many questions an optimizer step takes, over all processes."""
    count, size, passes = distributed.count(), config.batch_size, config.accumulation
    told = f"{count * size * passes:,} questions a step"
    if count * passes == 1:
        return told
    return f"{told} (processes {count} x batch {size} x accumulation {passes})"


def _fit(
    setup: Setup, optimizer: str, log: TrainingLog, progress: Progress, checkpoint: Path | None
) -> RecipeTrainer:
    """Train, or go on training, and return the Trainer."""
    config, folder = setup.config, setup.folder
    collate, padding = setup.objective.collate, setup.tokenizer.pad_token_id
    settings = config.recipe_settings()
    evaluates = bool(setup.validation.questions)
    with (
        tracking_into(folder / TRACKED, config.report_to),
        quiet_loading(),
        contextlib.ExitStack() as closing,
    ):
        bar = TrainingBar(len(setup.examples), progress, closing)
        trainer = RecipeTrainer(
            scorer=setup.scorer if config.best_metric == "accuracy" else None,
            questions=setup.validation_encoded,
            recipe=config.recipe,
            recipe_settings=settings,
            on_loss=None if progress is no_progress else bar.add_loss,
            model=setup.model,
            args=trainer_arguments(config, folder, setup.device, optimizer, evaluates),
            data_collator=lambda examples: collate(examples, padding),
            callbacks=[log, bar, *recipe_callbacks(setup.model, config.recipe, settings)],
            train_dataset=setup.examples,
            eval_dataset=setup.validation_examples,
        )
        trainer.remove_callback(PrinterCallback)
        with giving_way(setup.device):
            trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
    return trainer


def _finished(setup: Setup, trainer: RecipeTrainer):
    """Return the trained model as it will be saved and scored.

    Raises:
        RunError: the processes did not come to the same weights.
    """
    if distributed.sharding():
        model = whole_model(setup.build, trainer, setup.folder / CHECKPOINTS / "whole")
        if model is None:
            return None
    else:
        model = trainer.accelerator.unwrap_model(setup.model, keep_fp32_wrapper=False)
        _check_alike(model)
    dtype = pick_dtype(setup.config.dtype, setup.device)
    return finish(model, setup.config.recipe, dtype=dtype, generates=setup.head is None)


def _check_alike(model) -> None:
    if distributed.count() > 1:
        digests = distributed.gather(tensors_checksum(trained_tensors(model)))
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
        "context": setup.encoder.contexts.record,
        "head": setup.head,
        "base_model": setup.base_model,
        "base_commit": setup.base_commit,
        "started_from": config.model,
        "quantization": config.quantization,
        "dtype": str(dtype).removeprefix("torch."),
        "max_length": setup.encoder.max_length,
        "train": setup.training.record(),
        "validation": asdict(validation) if validation else None,
        "target_modules": target_modules,
        "seed": config.seed,
        "device": setup.device,
        "processes": distributed.count(),
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


def _outcome(state, config: TrainingConfig) -> dict:
    """Say how training went; the loss is the mean over all logged steps, resumed or not."""
    losses = [(entry["step"], entry["loss"]) for entry in state.log_history if "loss" in entry]
    total = covered = 0
    for step, loss in losses:
        total, covered = total + loss * (step - covered), step
    return {
        "steps": state.global_step,
        "train_loss": total / covered if covered else None,
        "best_step": state.best_global_step,
        "best_metric": config.best_metric,
        "best_validation_value": state.best_metric,
    }
