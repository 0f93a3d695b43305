"""Pieces of the loop by themselves; what it comes to is in tests/contracts."""

import math
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from torch import nn

from mcqa.formulations.objectives import IGNORED
from mcqa.training.batches import Data
from mcqa.training.checkpoints import Checkpoints, Progress
from mcqa.training.devices import Machine
from mcqa.training.loop import count, evaluate, fit, loss_of
from mcqa.training.progress import Listener
from mcqa.training.schedules import OnTheWay, Schedule


class Model(nn.Module):
    """Its loss is its weight times the labels, per label; label 9 makes it no number."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def num_parameters(self, exclude_embeddings):
        return 1

    def forward(self, input_ids, labels, num_items_in_batch=None):
        counted = labels[labels != IGNORED]
        n = len(counted) if num_items_in_batch is None else num_items_in_batch
        losses = torch.where(counted == 9, math.nan, self.weight * counted)
        return SimpleNamespace(loss=losses.sum() / n)


class Heard(Listener):
    """Keep the values that are logged, and count the questions."""

    def __init__(self):
        self.logged, self.questions, self.saved = [], 0, []

    def on_pass(self, loss, questions):
        self.questions += questions

    def on_log(self, step, values):
        self.logged.append((step, values))

    def on_save(self, step):
        self.saved.append(step)


def data(labels, **others):
    rows = [{"label": label} for label in labels]

    def collate(examples):
        labels = torch.tensor([[example["label"]] for example in examples])
        return {"input_ids": torch.zeros_like(labels), "labels": labels}

    examples = Dataset.from_list(rows)
    sets = {"training": examples, "validation": examples}
    return Data(**sets, length=lambda example: 1, collate=collate, **others)


@pytest.fixture
def machine():
    return Machine("cpu", torch.float32)


@pytest.fixture
def train(tmp_path):
    """Train a model with learning rate 0, and return what was heard and where it stands."""

    def run(examples, resume=None, **schedule):
        model, heard, machine = Model(), Heard(), Machine("cpu", torch.float32)
        defaults = {"steps": 3, "between": 1, "learning_rate": 0.0, "factor": lambda step: 1.0}
        _, progress = fit(
            model,
            torch.optim.SGD(model.parameters(), lr=0.0),
            examples,
            Schedule(**defaults | schedule),
            machine=machine,
            checkpoints=Checkpoints(tmp_path, machine.accelerator, model),
            listeners=[heard],
            recipe=OnTheWay(),
            resume=resume,
        )
        return heard, progress

    return run


def losses(heard):
    return [values["loss"] for _, values in heard.logged if "loss" in values]


def test_a_step_is_the_mean_over_its_labels_in_whatever_batches(train):
    labels = [1, 2, 3, 4, 5, IGNORED, 7]
    whole, _ = train(data(labels, batch_size=7))
    parts, progress = train(data(labels, batch_size=2, accumulation=4))
    assert losses(whole) == pytest.approx([22 / 6] * 3)
    assert losses(parts) == pytest.approx([22 / 6] * 3)
    assert parts.questions == 3 * 7
    assert progress.tokens == 3 * 7
    assert progress.train_loss == pytest.approx(22 / 6)


def test_a_loss_that_is_no_number_is_logged_as_the_mean_before_it(train):
    examples = data([1, 9], batch_size=1)
    heard, progress = train(examples, steps=4, between=4)
    assert losses(heard) == pytest.approx([progress.train_loss])
    assert math.isfinite(progress.train_loss)
    assert progress.best_step is None  # the validation questions hold a 9 too
    assert heard.saved == [4]


def test_an_empty_share_reaches_every_parameter_with_zero():
    model = Model()
    labels = torch.full((2, 1), IGNORED)
    loss = loss_of(model, {"input_ids": labels, "labels": labels}, torch.tensor(5.0))
    loss.backward()
    assert loss == model.weight.grad == 0


def test_labels_and_tokens_of_a_step_are_counted(machine):
    _, batches = next(data([1, IGNORED, 3], batch_size=2, accumulation=2).steps(0))
    n_labels, n_tokens = count(batches, machine)
    assert (n_labels, n_tokens) == (2.0, 3)


def test_validation_is_the_mean_over_labels_whatever_the_batches(machine):
    labels = [1, 2, 3, IGNORED, 8]
    found = [
        evaluate(Model(), data(labels, batch_size=size), machine)["eval_loss"] for size in (1, 2, 5)
    ]
    assert found == pytest.approx([14 / 4] * 3)


def test_losses_come_every_so_many_steps_and_the_rest_also_at_the_end(train):
    heard, progress = train(data([1, 2], batch_size=2), steps=5, between=2)
    assert [step for step, values in heard.logged if "loss" in values] == [2, 4]
    assert [step for step, values in heard.logged if "eval_loss" in values] == [2, 4, 5]
    assert heard.saved == [2, 4, 5]
    assert heard.logged[-1][1]["train_loss"] == pytest.approx(1.5)
    assert (progress.step, progress.epoch, progress.best_step) == (5, 5.0, 2)


def test_the_last_checkpoint_is_kept_with_the_best_and_in_the_end_the_best(
    train, tmp_path, monkeypatch
):
    kept = []

    def look(self, step):
        kept.append(sorted(int(p.name.split("-")[1]) for p in (tmp_path / "checkpoints").iterdir()))

    monkeypatch.setattr(Heard, "on_save", look)
    train(data([1], batch_size=1))  # the first step is the best, as all are alike
    assert kept == [[1], [1, 2], [1, 3]]
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["checkpoint-1"]


def test_a_run_whose_last_step_is_saved_takes_no_other(train, tmp_path):
    examples = data([1, 2, 3, 4], batch_size=1)
    train(examples, steps=3, between=3)
    heard, progress = train(examples, tmp_path / "checkpoints" / "checkpoint-3", steps=3)
    assert (heard.questions, progress.step) == (0, 3)


def test_the_mean_loss_goes_on_after_an_interruption():
    progress = Progress(step=2)
    progress.log_loss(1.0)
    progress.step = 6
    progress.log_loss(4.0)
    assert progress.train_loss == (2 * 1.0 + 4 * 4.0) / 6
    assert Progress().train_loss is None
