"""One road for both formulations: questions -> examples -> training loop -> run folder."""

import contextlib
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel

import mcqa
from mcqa.data.reader import write_rejected
from mcqa.errors import RunError
from mcqa.models.adapters import adapted_modules, trainable_parameters
from mcqa.models.backbones import checkpoint_activations
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
from mcqa.training.progress import ShowProgress, TrainingBar, TrainingLog, no_progress
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
    """Fine-tune a model on questions, write its run folder, and return what `run.json` holds.

    Started as one of several processes, all must call it; the main one announces and writes.

    Args:
        formulation_name: `generative` or `multiple_choice`.
        announce: called with the lines for the user.
        progress: shows live how far training and the validation at its end are.

    Raises:
        McqaError: a setting, the data or the model cannot be used; nothing was trained or removed.
    """
    with processes.together(), contextlib.ExitStack() as held:
        if not processes.is_main():
            announce, progress = (lambda line: None), no_progress
        return _train(prepare(formulation_name, config, announce, held), announce, progress)


def _train(setup: Setup, announce: Callable[[str], None], progress: ShowProgress) -> dict:
    processes.wait()  # until all have seen the run folder as it was
    checkpoint = processes.on_main(lambda: _begin(setup, announce))
    config = setup.config
    optimizer = pick_optimizer(config.optimizer, setup.device, announce)
    log, memory = TrainingLog(setup.folder / LOG_FILE, announce), PeakMemory(setup.device)
    trainable = trainable_parameters(setup.model)
    model, standing = _fit(setup, optimizer, log, progress, checkpoint)
    outcome = {
        "seconds": log.seconds,
        "peak_memory_bytes": memory.bytes,
        "trainable_parameters": trainable,
        "optimizer": optimizer,
        "steps": standing.step,
        "train_loss": standing.train_loss,
        "best_step": standing.best_step,
        "best_metric": config.best_metric,
        "best_validation_value": standing.best_value,
    }
    held_out = None if processes.sharding() else setup.data.validation
    outcome |= validate(setup.scorer, held_out, setup.folder, config.batch_size, announce, progress)
    return processes.on_main(lambda: _write(setup, model, outcome, announce))


def _begin(setup: Setup, announce: Callable[[str], None]) -> Path | None:
    """Clear the run folder where asked to, say what will be done, and from which checkpoint on."""
    config, training, validation = setup.config, setup.training, setup.validation
    if config.overwrite:
        clear_run(setup.folder)
    checkpoint = begin(setup.folder, setup.work, resume=config.resume)
    sets = (*training.sets, validation)
    remarks = [remark for one in sets for remark in one.remarks()]
    trained_on = {one.name: one.questions for one in training.sets}
    for remark in remarks + overlaps(trained_on, validation.questions):
        announce(remark)
    rejected = [row for one in sets for row in one.account.rejected]
    write_rejected(setup.folder, rejected, announce=announce)
    data = setup.data
    step = f"{data.questions_per_step:,} questions a step"
    if data.questions_per_step > data.batch_size:
        parts = f"processes {processes.count()} x batch {data.batch_size}"
        step += f" ({parts} x accumulation {data.accumulation})"
    announce(
        f"Training {setup.formulation.NAME} ({setup.objective.name}) on {training.described()} "
        f"({config.recipe}, {config.template}, {config.quantization}, {setup.device}); "
        f"{trainable_parameters(setup.model):,} trainable parameters; "
        f"{step}; run folder {setup.folder}"
    )
    return checkpoint


def _fit(
    setup: Setup, optimizer: str, log: TrainingLog, progress: ShowProgress, checkpoint: Path | None
):
    """Train, or go on training, and return the model as it will be saved, and how it went."""
    config, data, model, folder = setup.config, setup.data, setup.model, setup.folder
    model.config.use_cache = False
    if config.gradient_checkpointing:
        checkpoint_activations(model)
    machine = Machine(
        setup.device,
        setup.dtype,
        batch_size=data.batch_size,
        accumulation=data.accumulation,
        trackers=make_trackers(config.report_to, folder / TRACKED, folder.absolute().name),
    )

    def accuracy() -> float:
        # Weights that train are float32 in a model that may compute in bfloat16.
        mixed = contextlib.nullcontext() if isinstance(model, PeftModel) else machine.mixed()
        with mixed:
            scored = setup.scorer.score_encoded(data.validation, data.batch_size)
        return sum(prediction.correct for prediction in scored) / len(scored)

    with (
        tracking(machine.accelerator, config.model_dump(mode="json")),
        quiet_loading(),
        contextlib.ExitStack() as closing,
        giving_way(setup.device),
    ):
        rates = config.model_dump(include={"learning_rate", "weight_decay"})
        batch = data.batch_size * processes.count()
        bar = TrainingBar(len(data.training), batch, data.accumulation, progress, closing)
        wrapped, standing = fit(
            model,
            make_optimizer(model, optimizer, **rates),
            data,
            setup.schedule,
            machine=machine,
            checkpoints=Checkpoints(folder, machine.accelerator, model),
            listeners=[log, bar],
            recipe=on_the_way(model, config.recipe, config.recipe_settings()),
            accuracy=accuracy if config.best_metric == "accuracy" else None,
            resume=checkpoint,
        )
    if processes.sharding():
        model = whole_model(setup.build, machine.accelerator, wrapped)
    elif processes.count() > 1:
        sums = processes.gather(tensors_checksum(trained_tensors(model)))
        if len(set(sums)) > 1:
            raise RunError(
                "the processes did not come to the same weights, and nothing was saved. This is a "
                "bug of mcqa: please report the command. One process trains as it should."
            )
    if model is None:  # in shards, and another process saves it
        return None, standing
    generates = setup.base["head"] is None
    return finish(model, config.recipe, dtype=setup.dtype, generates=generates), standing


def _write(setup: Setup, model, outcome: dict, announce: Callable[[str], None]) -> dict:
    """Write the run folder, and return what its `run.json` holds."""
    config, encoder = setup.config, setup.scorer.encoder
    settings = config.model_dump(mode="json")
    record = {
        "formulation": setup.formulation.NAME,
        "objective": setup.objective.name,
        "template": config.template,
        "context": encoder.contexts.record,
        **setup.base,
        "started_from": config.model,
        "quantization": config.quantization,
        "dtype": str(setup.dtype).removeprefix("torch."),
        "max_length": encoder.max_length,
        "train": setup.training.record(),
        "validation": setup.validation.record,
        "target_modules": adapted_modules(model),
        "seed": config.seed,
        "device": setup.device,
        "processes": processes.count(),
        "threads": torch.get_num_threads(),
        **outcome,
        "recipe": config.recipe,
        "recipe_settings": {n: v for n, v in settings.items() if n in config.recipe_settings()},
        "settings": settings,
        "versions": {
            "mcqa": mcqa.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONED},
        },
    }
    record = save_run(setup.folder, model, setup.scorer.tokenizer, record, model_card(record))
    (setup.folder / STARTED).unlink()
    announce(f"Trained in {record['seconds']:.0f} s: {setup.folder}")
    return record
