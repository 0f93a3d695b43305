"""Training, from the first step to the last: `fit` reads from top to bottom.

A step's loss is the mean over all its labels, in however many batches and processes: each batch's
is divided by the labels of the whole step, and multiplied by the number of processes, whose
gradients are averaged. The trap: what draws random numbers (dropout) must do so alike in a resumed
run. Batches, and evaluations in between, draw none.
"""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import set_seed
from transformers.trainer_utils import speed_metrics

from mcqa.formulations.objectives import IGNORED
from mcqa.system import processes
from mcqa.training.batches import Batch, Data
from mcqa.training.checkpoints import Checkpoints, Progress
from mcqa.training.devices import Machine
from mcqa.training.progress import Listener
from mcqa.training.schedules import OnTheWay, Schedule
from mcqa.training.trackers import grouped

LARGEST_NORM = 1.0  # gradients longer than that are cut to it


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Data,
    schedule: Schedule,
    *,
    machine: Machine,
    checkpoints: Checkpoints,
    listeners: Sequence[Listener],
    recipe: OnTheWay,
    accuracy: Callable[[], float] | None = None,
    resume: Path | None = None,
) -> tuple[nn.Module, Progress]:
    """Train a model, and leave it with the weights of the best step.

    Args:
        model, optimizer: what trains, on its device; its forward returns a loss.
        machine: where to compute, and how; its trackers are started.
        checkpoints, resume: where the run is saved, and what it goes on from.
        listeners, recipe: hear of what happens; the recipe acts on it.
        accuracy: returns that of the model as it stands, on the validation questions.

    Returns:
        The model as accelerate wrapped it, and where the run stands.
    """
    accelerator, device = machine.accelerator, machine.device
    set_seed(data.seed)
    per_token = 6 * model.num_parameters(exclude_embeddings=True)  # floating point operations
    if processes.count() > 1 or processes.sharding():
        model, optimizer = accelerator.prepare(model, optimizer)
    else:
        optimizer = accelerator.prepare(optimizer)
    progress = checkpoints.load(resume) if resume else Progress()
    recipe.begin(progress.step, schedule.steps, data.accumulation * processes.count())

    def notify(event: str, *values) -> None:
        for listener in listeners:
            getattr(listener, event)(*values)

    def log(values: dict) -> None:
        values = values | {"epoch": progress.epoch}
        notify("on_log", progress.step, values)
        accelerator.log(grouped(values), step=progress.step)

    first_step, started, total_loss = progress.step, time.time(), 0.0
    unlogged = torch.tensor(0.0, device=device)  # losses of the steps since the last log
    notify("on_begin", first_step, schedule.steps)
    steps = zip(range(first_step, schedule.steps), data.steps(first_step), strict=False)
    for step, (epoch, batches) in steps:
        n_labels, n_tokens = count(batches, machine)
        rate = schedule.rate(step)
        for group in optimizer.param_groups:
            group["lr"] = rate

        model.train()
        for number, batch in enumerate(batches, 1):
            is_last = number == len(batches)
            accelerator.sync_gradients = is_last
            with contextlib.nullcontext() if is_last else accelerator.no_sync(model):
                with machine.mixed():
                    loss = loss_of(model, machine.take(batch), n_labels)
                loss = loss.float() * processes.count()
                machine.backward(loss)
            loss = loss.detach()
            # One that is no number is logged as the mean of those before.
            is_number, n_steps = math.isfinite(loss.item()), 1 + step - progress.logged_step
            unlogged += loss if is_number else unlogged / n_steps
            notify("on_pass", loss, len(batch["labels"]))
        norm = accelerator.clip_grad_norm_(model.parameters(), LARGEST_NORM)
        optimizer.step()
        recipe.moved(step)  # has a use for gradients
        optimizer.zero_grad()
        progress.step, progress.epoch = step + 1, epoch
        progress.tokens += n_tokens
        recipe.taken(progress.step, optimizer)
        notify("on_step", progress.step)

        is_due = progress.step % schedule.between == 0
        is_end = progress.step == schedule.steps
        if is_due:
            mean = accelerator.gather(unlogged[None]).mean().item()
            total_loss += mean
            loss = mean / (progress.step - progress.logged_step)
            progress.log_loss(loss)
            unlogged.zero_()
            norm = norm.item() if isinstance(norm, Tensor) else norm
            log({"loss": loss, "grad_norm": norm, "learning_rate": rate})
        if (is_due or is_end) and data.validation:
            notify("on_evaluate", progress.step)
            values = evaluate(model, data, machine)
            log(values)
            if accuracy is not None:
                values["eval_accuracy"] = accuracy()
                log({"eval_accuracy": values["eval_accuracy"]})
            value = values[f"eval_{schedule.best_metric}"]
            if schedule.is_better(value, progress.best_value):
                progress.best_step, progress.best_value = progress.step, value
        if is_due or is_end:
            checkpoints.save(progress)
            notify("on_save", progress.step)

    taken = progress.step - first_step
    mean = (total_loss + unlogged.item()) / max(taken, 0.001)
    speed = speed_metrics("train", started, taken * data.questions_per_step, num_steps=taken)
    log(speed | {"total_flos": float(per_token * progress.tokens), "train_loss": mean})
    checkpoints.load_best(progress)
    return model, progress


def loss_of(model: nn.Module, batch: Batch, n_labels: Tensor | None = None) -> Tensor:
    """Return the sum of a batch's losses over the labels of a step, by default of the batch."""
    more = {} if n_labels is None else {"num_items_in_batch": n_labels}
    labels = batch["labels"]
    if (labels != IGNORED).any():
        return model(**batch, **more).loss
    # An empty share: a zero that reaches every parameter, for the other processes wait for it.
    return 0 * model(**batch | {"labels": labels.clamp(min=0)}, **more).loss


def count(batches: Sequence[Batch], machine: Machine) -> tuple[Tensor, int]:
    """Return the labels and the tokens of a step, over all processes."""
    labels = sum(batch["labels"].ne(IGNORED).sum() for batch in batches)
    tokens = sum(batch["input_ids"].numel() for batch in batches)
    if processes.count() > 1:
        own = torch.stack((labels, torch.tensor(tokens))).to(machine.device)
        labels, tokens = machine.accelerator.gather(own[None]).sum(0)
    return labels.to(machine.device).float(), int(tokens)


@torch.no_grad()
def evaluate(model: nn.Module, data: Data, machine: Machine) -> dict:
    """Return the mean loss over all labels of the validation questions, and how long that took."""
    started, total, labels = time.time(), 0.0, 0
    batches = data.validation_batches()
    model.eval()
    for batch in batches:
        n = batch["labels"].ne(IGNORED).sum().item()
        with machine.mixed():
            total += n * loss_of(model, machine.take(batch)).float().item()
        labels += n
    totals, counts = zip(*processes.gather((total, labels)), strict=True)
    speed = speed_metrics("eval", started, len(data.validation), num_steps=len(batches))
    return {"eval_loss": sum(totals) / sum(counts)} | speed
