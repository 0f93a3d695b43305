"""One road for both formulations: questions -> examples -> Trainer -> run folder.

What differs between the formulations is behind `mcqa.formulations`; nothing here asks which one
it is. The traps: a PeftModel hides `labels` from the Trainer (`label_names`), and bf16 autocast
is right only where the backbone computes in bf16 too.
"""

import functools
import platform
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainingArguments, set_seed

import mcqa
from mcqa.adapters import adapted_modules, trainable_parameters
from mcqa.backbones import (
    ModelReference,
    context_length,
    load_tokenizer,
    pick_device,
    pick_dtype,
    resolve_model,
)
from mcqa.checkpoints import attach_adapter, read_record, save_run
from mcqa.data.reader import write_rejected
from mcqa.encoding import EncodedQuestion, Encoder
from mcqa.errors import ConfigError
from mcqa.formulations import get_formulation
from mcqa.formulations.objectives import Objective
from mcqa.memory import PeakMemory
from mcqa.prompts import get_template
from mcqa.quiet import quiet_loading
from mcqa.recipes.building import add_recipe, finish, scoring_model
from mcqa.scoring import Scorer
from mcqa.training.card import model_card
from mcqa.training.config import TrainingConfig
from mcqa.training.folder import CHECKPOINTS, TRACKED, check_run_folder, clear_run, has_checkpoint
from mcqa.training.progress import LOG_FILE, TrainingLog
from mcqa.training.questions import load_training, load_validation
from mcqa.training.schedules import recipe_callbacks
from mcqa.training.trackers import check_trackers, tracking_into
from mcqa.training.trainer import RecipeTrainer
from mcqa.training.validation import validate

VERSIONED = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "datasets")


def train(formulation_name: str, config: TrainingConfig, announce=print) -> dict:
    """Fine-tune a model on questions and write its run folder.

    Args:
        formulation_name: `generative` or `multiple_choice`.
        config: the settings.
        announce: called with the lines for the user.

    Returns:
        What `run.json` holds.

    Raises:
        McqaError: a setting, the data or the model cannot be used; nothing has been trained or
            removed then.
    """
    formulation = get_formulation(formulation_name)
    objective = _objective(formulation, config.objective)
    head_fields = config.head_settings(formulation.SETTINGS)
    check_trackers(config.report_to)
    folder = check_run_folder(config.output, resume=config.resume, overwrite=config.overwrite)
    reference = resolve_model(config.model)
    earlier = _earlier_run(reference, formulation)
    device = pick_device(config.device)
    training, validation = load_training(config), load_validation(config)

    set_seed(config.seed)
    tokenizer = load_tokenizer(reference.path)
    if earlier:
        head = earlier.get("head")
        config = config.going_on_from(earlier)
        announce(f"Going on from {config.model}: its recipe and head settings are kept.")
    else:
        head = formulation.head_settings(reference.path, tokenizer, **head_fields)
    model = _trainable_model(formulation, reference, earlier, head, config, device)
    recipe_settings = config.recipe_settings()
    room = context_length(model) - recipe_settings.get("virtual_tokens", 0)
    max_length = min(config.max_length, room)
    pairs = formulation.reads_pairs(model)
    encoder = Encoder(tokenizer, get_template(config.template), max_length, pairs=pairs)
    name = formulation.default_scorer(objective.name)
    scorer = Scorer(scoring_model(model), tokenizer, encoder, name, formulation)
    datasets = {
        "train_dataset": _examples(encoder.encode(training.questions), tokenizer, objective),
        "eval_dataset": _examples(encoder.encode(validation.questions), tokenizer, objective),
    }
    if config.overwrite:
        clear_run(folder)
    for remark in (*training.remarks(), *validation.remarks()):
        announce(remark)
    rejected = [*training.account.rejected, *validation.account.rejected]
    write_rejected(folder, rejected, announce=announce)
    announce(
        f"Training {formulation.NAME} ({objective.name}) on {len(training.questions):,} questions "
        f"({config.recipe}, {config.template}, {config.quantization}, {device}); "
        f"{trainable_parameters(model):,} trainable parameters; run folder {folder}"
    )
    log = TrainingLog(folder / LOG_FILE, announce)
    optimizer = pick_optimizer(config.optimizer, device, announce)
    memory = PeakMemory(device)
    with tracking_into(folder / TRACKED, config.report_to), quiet_loading():
        trainer = RecipeTrainer(
            scorer=scorer if config.best_metric == "accuracy" else None,
            questions=validation.questions,
            recipe=config.recipe,
            recipe_settings=recipe_settings,
            model=model,
            args=_arguments(config, folder, device, optimizer, bool(validation.questions)),
            data_collator=lambda examples: objective.collate(examples, tokenizer.pad_token_id),
            callbacks=[log, *recipe_callbacks(model, config.recipe, recipe_settings)],
            **datasets,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=config.resume and has_checkpoint(folder))
    seconds, peak_memory_bytes = log.seconds, memory.bytes
    n_trainable = trainable_parameters(model)
    model = trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    dtype = pick_dtype(config.dtype, device)
    model = finish(model, config.recipe, dtype=dtype, generates=head is None)
    validated = validate(scorer, validation.questions, folder, config.batch_size, announce)
    record = {
        "formulation": formulation.NAME,
        "objective": objective.name,
        "template": config.template,
        "head": head,
        "base_model": earlier["base_model"] if earlier else config.model,
        "started_from": config.model,
        "quantization": config.quantization,
        "dtype": str(dtype).removeprefix("torch."),
        "max_length": max_length,
        "train": asdict(training.record),
        "validation": asdict(validation.record) if validation.record else None,
        "seconds": seconds,
        "peak_memory_bytes": peak_memory_bytes,
        "trainable_parameters": n_trainable,
        "target_modules": adapted_modules(model),
        "optimizer": optimizer,
        "seed": config.seed,
        "device": device,
        **_outcome(trainer.state, config),
        **validated,
        "recipe": config.recipe,
        "recipe_settings": config.model_dump(mode="json", include=set(recipe_settings)),
        "settings": config.model_dump(mode="json"),
        "versions": {
            "mcqa": mcqa.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONED},
        },
    }
    record = save_run(folder, model, tokenizer, record, model_card(record))
    announce(f"Trained in {seconds:.0f} s: {folder}")
    return record


def _objective(formulation, name: str | None) -> Objective:
    objectives = formulation.OBJECTIVES
    if name is None:
        return next(iter(objectives.values()))
    if name not in objectives:
        raise ConfigError(
            f"objective {name!r} does not go with {formulation.NAME}: use {', '.join(objectives)}."
        )
    return objectives[name]


def _earlier_run(reference: ModelReference, formulation) -> dict | None:
    """Return the record of the run that training starts from, None where it starts from a model.

    Raises:
        ConfigError: that run is of the other formulation.
    """
    if reference.kind != "run":
        return None
    record = read_record(reference.path)
    if record["formulation"] != formulation.NAME:
        raise ConfigError(
            f"model {reference.name!r} is a run of the formulation {record['formulation']}; "
            f"{formulation.NAME} cannot go on from it. Name its base model "
            f"{record['base_model']!r}, or train {record['formulation']}."
        )
    return record


def _trainable_model(
    formulation,
    reference: ModelReference,
    earlier: dict | None,
    head,
    config: TrainingConfig,
    device: str,
):
    base = resolve_model(earlier["base_model"]) if earlier else reference
    load = functools.partial(
        formulation.load_backbone, base.path, head=head, dtype=config.dtype, device=device
    )
    backbone = formulation.prepare_for_training(load(quantization=config.quantization))
    if earlier:
        return attach_adapter(backbone, reference.path, earlier, trainable=True)
    return add_recipe(
        backbone,
        config.recipe,
        head=formulation.head_modules(backbone),
        load_original=functools.partial(load, quantization="none"),
        **config.recipe_settings(),
    )


def pick_optimizer(name: str, device: str, announce: Callable[[str], None]) -> str:
    """Return the optimizer to use: where paging is not to be had, the same one without it.

    Args:
        name: what was asked for.
        device: where the model trains.
        announce: called with a line that says so.
    """
    if not name.startswith("paged_") or device.startswith("cuda"):
        return name
    instead = {"paged_adamw_8bit": "adamw_8bit", "paged_adamw_32bit": "adamw_torch"}[name]
    announce(f"Optimizer {name} pages its state out of a GPU; on {device} {instead} is used.")
    return instead


def _examples(encoded: list[EncodedQuestion], tokenizer, objective: Objective) -> Dataset | None:
    if not encoded:
        return None
    return Dataset.from_list([objective.example(one, tokenizer) for one in encoded])


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


def _arguments(
    config: TrainingConfig, folder: Path, device: str, optimizer: str, evaluates: bool
) -> TrainingArguments:
    dtype = pick_dtype(config.dtype, device)
    return TrainingArguments(
        output_dir=str(folder / CHECKPOINTS),
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=config.warmup_steps,
        weight_decay=config.weight_decay,
        optim=optimizer,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps or -1,
        eval_strategy="steps" if evaluates else "no",
        eval_steps=config.steps_between,
        save_strategy="steps",
        save_steps=config.steps_between,
        save_total_limit=1,
        logging_steps=config.steps_between,
        load_best_model_at_end=evaluates,
        metric_for_best_model=f"eval_{config.best_metric}" if evaluates else None,
        greater_is_better=config.best_metric == "accuracy",
        prediction_loss_only=True,
        activation_checkpointing=config.gradient_checkpointing,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        use_cpu=device == "cpu",
        dataloader_pin_memory=device != "cpu",
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        remove_unused_columns=False,
        label_names=["labels"],
        seed=config.seed,
        report_to=list(config.report_to),
        run_name=folder.absolute().name,
        disable_tqdm=True,
    )
