"""What the Trainer is told: our settings as those of transformers.

The traps: a PeftModel hides `labels` from the Trainer (`label_names`), bf16 autocast is right only
where the backbone computes in bf16 too, and the Trainer takes every GPU it sees for its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import TrainingArguments

from mcqa import distributed
from mcqa.backbones import pick_dtype
from mcqa.training.config import TrainingConfig
from mcqa.training.folder import CHECKPOINTS


def pick_optimizer(name: str, device: str, announce: Callable[[str], None]) -> str:
    """Return the optimizer to use: where paging or 8 bits are not to be had, one without.

    Args:
        name: what was asked for.
        device: where the model trains.
        announce: called with a line that says so.
    """
    kind = distributed.sharding()
    if kind and name != "adamw_torch":
        announce(f"Optimizer {name} does not know the shards of {kind}; adamw_torch is used.")
        return "adamw_torch"
    if not name.startswith("paged_") or device.startswith("cuda"):
        return name
    instead = {"paged_adamw_8bit": "adamw_8bit", "paged_adamw_32bit": "adamw_torch"}[name]
    announce(f"Optimizer {name} pages its state out of a GPU; on {device} {instead} is used.")
    return instead


@dataclass
class OneDeviceArguments(TrainingArguments):
    """Settings of a Trainer whose process trains on one device, whatever else there is.

    transformers' own take the first GPU and count all others in: the Trainer splits the model over
    them, or, where it is quantized, multiplies the loss by their number.

    Args:
        trains_on: the torch device; without a number, the one that the Trainer takes.
    """

    trains_on: str = "cpu"

    def __post_init__(self):
        super().__post_init__()
        if self._names_a_gpu:  # accelerate moves what it trains to the current one
            torch.cuda.set_device(self.trains_on)

    @property
    def _names_a_gpu(self) -> bool:
        device = torch.device(self.trains_on)
        return device.type == "cuda" and device.index is not None

    @property
    def device(self) -> torch.device:
        """The device that batches go to."""
        chosen = super().device  # which also sets processes up
        return torch.device(self.trains_on) if self._names_a_gpu else chosen

    @property
    def n_gpu(self) -> int:
        """How many GPUs this process trains on, 0 or 1."""
        return min(1, super().n_gpu)


def trainer_arguments(
    config: TrainingConfig, folder: Path, device: str, optimizer: str, evaluates: bool
) -> OneDeviceArguments:
    """Return the Trainer's arguments.

    Args:
        config: the settings.
        folder: the run folder.
        device: where the model trains.
        optimizer: the one that `pick_optimizer` returned.
        evaluates: whether there are validation questions.
    """
    dtype = pick_dtype(config.dtype, device)
    return OneDeviceArguments(
        trains_on=device,
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
        # No buffer changes but ReLoRA's, which every process grows alike.
        ddp_broadcast_buffers=False,
        ddp_find_unused_parameters=False,
        remove_unused_columns=False,
        label_names=["labels"],
        seed=config.seed,
        report_to=list(config.report_to),
        run_name=folder.absolute().name,
        disable_tqdm=True,
    )
