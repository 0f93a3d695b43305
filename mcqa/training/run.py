"""One road for both formulations: questions -> examples -> Trainer -> run folder.

What differs between the formulations is behind `mcqa.formulations`; nothing here asks which one
it is. The traps: a PeftModel hides `labels` from the Trainer (`label_names`), and bf16 autocast
is right only where the backbone computes in bf16 too.
"""

import platform
import shutil
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from datasets import Dataset
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

import mcqa
from mcqa.adapters import add_lora, trainable_parameters
from mcqa.backbones import context_length, load_tokenizer, pick_device, pick_dtype, resolve_model
from mcqa.checkpoints import RUN_FILE, save_run
from mcqa.data import data_fingerprint, load_questions
from mcqa.encoding import Encoder
from mcqa.errors import ConfigError, DataError
from mcqa.formulations import get_formulation
from mcqa.prompts import get_template
from mcqa.question import Question
from mcqa.training.card import model_card
from mcqa.training.config import TrainingConfig
from mcqa.training.progress import LOG_FILE, TrainingLog

VERSIONED = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "datasets")


@dataclass(frozen=True)
class DataRecord:
    """Say which questions were used, so that a run can be checked against its data."""

    source: str
    split: str | None
    n: int
    sha256: str


def train(formulation_name: str, config: TrainingConfig, announce=print) -> dict:
    """Fine-tune a model on questions and write its run folder.

    Args:
        formulation_name: `generative` or `multiple_choice`.
        config: the settings.
        announce: called with the lines for the user.

    Returns:
        What `run.json` holds.

    Raises:
        McqaError: a setting, the data or the model cannot be used; nothing has been trained then.
    """
    formulation = get_formulation(formulation_name)
    head_fields = config.head_settings(formulation.SETTINGS)
    folder = _prepare_folder(config)
    reference = resolve_model(config.model)
    if reference.kind == "run":
        raise ConfigError(f"model {config.model!r} is a run already; name its base model.")
    split = config.split or ("train" if config.data == "bundled" else None)
    train_questions, train_record = _load(config.data, split, config.limit, config)
    validation_questions, validation_record = _load_validation(config)

    set_seed(config.seed)
    device = pick_device(config.device)
    tokenizer = load_tokenizer(reference.path)
    head = formulation.head_settings(tokenizer, **head_fields)
    backbone = formulation.load_backbone(
        reference.path,
        head=head,
        quantization=config.quantization,
        dtype=config.dtype,
        device=device,
    )
    max_length = min(config.max_length, context_length(backbone))
    encoder = Encoder(tokenizer, get_template(config.template), max_length)
    model = add_lora(
        formulation.prepare_for_training(backbone),
        r=config.lora_r,
        alpha=config.lora_alpha,
        dropout=config.lora_dropout,
        rslora=config.rslora,
        target_modules=config.target_modules,
        head=formulation.HEAD,
    )
    datasets = [
        _examples(questions, encoder, formulation)
        for questions in (train_questions, validation_questions)
    ]
    announce(
        f"Training {formulation.NAME} on {len(train_questions):,} questions "
        f"({config.template}, {config.quantization}, {device}); "
        f"{trainable_parameters(model):,} trainable parameters; run folder {folder}"
    )
    log = TrainingLog(folder / LOG_FILE, announce, fresh=not config.resume)
    trainer = Trainer(
        model=model,
        args=_arguments(config, folder, device, evaluates=bool(validation_questions)),
        train_dataset=datasets[0],
        eval_dataset=datasets[1],
        data_collator=lambda examples: formulation.collate(examples, tokenizer.pad_token_id),
        callbacks=[log],
    )
    trainer.remove_callback(PrinterCallback)
    started = time.monotonic()
    outcome = trainer.train(resume_from_checkpoint=_checkpoint(config, folder))
    seconds = time.monotonic() - started
    record = {
        "formulation": formulation.NAME,
        "template": config.template,
        "head": head,
        "base_model": config.model,
        "quantization": config.quantization,
        "dtype": str(pick_dtype(config.dtype, device)).removeprefix("torch."),
        "max_length": max_length,
        "recipe": config.model_dump(mode="json"),
        "train": asdict(train_record),
        "validation": asdict(validation_record) if validation_record else None,
        "seed": config.seed,
        "steps": trainer.state.global_step,
        "train_loss": outcome.training_loss,
        "best_step": trainer.state.best_global_step,
        "best_validation_loss": trainer.state.best_metric,
        "seconds": seconds,
        "trainable_parameters": trainable_parameters(model),
        "device": device,
        "versions": {
            "mcqa": mcqa.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONED},
        },
    }
    record = save_run(folder, model, tokenizer, record, model_card(record))
    announce(f"Trained in {seconds:.0f} s: {folder}")
    return record


def _prepare_folder(config: TrainingConfig) -> Path:
    folder = Path(config.output)
    has_checkpoint = any(folder.glob("checkpoints/checkpoint-*"))
    if (folder / RUN_FILE).exists() and not config.overwrite:
        raise ConfigError(
            f"{folder} holds a finished run. Choose another --output, or pass --overwrite."
        )
    if has_checkpoint and not (config.resume or config.overwrite):
        raise ConfigError(
            f"{folder} holds an unfinished run. Pass --resume to go on with it, "
            "or --overwrite to start anew."
        )
    if config.overwrite and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _checkpoint(config: TrainingConfig, folder: Path) -> bool:
    return config.resume and any(folder.glob("checkpoints/checkpoint-*"))


def _load(
    source: str, split: str | None, limit: int | None, config: TrainingConfig
) -> tuple[list[Question], DataRecord]:
    questions = load_questions(
        source, split=split, limit=limit, format=config.data_format, label_base=config.label_base
    )
    unlabelled = next((q.id for q in questions if q.label is None), None)
    if unlabelled is not None:
        raise DataError(f"{source}: question {unlabelled!r} has no label; training needs one.")
    return questions, DataRecord(source, split, len(questions), data_fingerprint(source, split))


def _load_validation(config: TrainingConfig) -> tuple[list[Question], DataRecord | None]:
    if config.validation_data is None and config.validation_split is None:
        return [], None
    source = config.validation_data or config.data
    return _load(source, config.validation_split, config.validation_limit, config)


def _examples(questions, encoder: Encoder, formulation) -> Dataset | None:
    if not questions:
        return None
    return Dataset.from_list(
        [formulation.training_example(e, encoder.tokenizer) for e in encoder.encode(questions)]
    )


def _arguments(
    config: TrainingConfig, folder: Path, device: str, evaluates: bool
) -> TrainingArguments:
    dtype = pick_dtype(config.dtype, device)
    return TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=config.warmup_steps,
        weight_decay=config.weight_decay,
        optim=config.optimizer,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps or -1,
        eval_strategy="steps" if evaluates else "no",
        eval_steps=config.steps_between,
        save_strategy="steps",
        save_steps=config.steps_between,
        save_total_limit=1,
        logging_steps=config.steps_between,
        load_best_model_at_end=evaluates,
        metric_for_best_model="eval_loss" if evaluates else None,
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
        report_to="none",
        disable_tqdm=True,
    )
