"""How long a run is, its learning rates, and what recipes do on the way."""

import math

import pytest
import torch
from transformers import get_linear_schedule_with_warmup

from mcqa.training.schedules import (
    Restarts,
    Schedule,
    count_steps,
    jagged,
    linear,
    pick_factor,
)


def test_the_learning_rate_climbs_back_to_its_line_after_each_restart():
    factor = jagged(lambda step: 1 - step / 8, every=4, warmup=2)
    rates = [factor(step) for step in range(8)]
    assert rates == [1, 7 / 8, 6 / 8, 5 / 8, 0, 3 / 8 / 2, 2 / 8, 1 / 8]
    assert [jagged(lambda step: 1.0, 2, 0)(step) for step in range(4)] == [1, 1, 1, 1]


@pytest.mark.parametrize(("step", "restarts"), [(3, False), (4, True), (8, False)])
def test_a_restart_forgets_the_optimizers_state_but_not_at_the_end(step, restarts, monkeypatch):
    restarted, kept = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    monkeypatch.setattr("mcqa.training.schedules.restart", lambda model: [restarted])
    optimizer = torch.optim.AdamW([restarted, kept])
    (restarted.sum() + kept.sum()).backward()
    optimizer.step()
    restarts_of = Restarts(None, 4)
    restarts_of.begin(0, 8, 1)
    restarts_of.taken(step, optimizer)
    assert (not optimizer.state[restarted]) == restarts
    assert optimizer.state[kept]


@pytest.mark.parametrize(("steps", "warmup"), [(7, 0), (7, 3), (3, 5), (1, 1)])
def test_the_learning_rate_is_that_of_transformers_linear_schedule(steps, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.3)
    theirs = get_linear_schedule_with_warmup(optimizer, warmup, steps)
    ours = Schedule(steps=steps, between=1, learning_rate=0.3, factor=linear(steps, warmup))
    for step in range(steps):
        assert ours.rate(step) == optimizer.param_groups[0]["lr"]
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize(
    ("epochs", "max_steps", "steps"), [(1, None, 4), (2.4, None, 10), (0.1, None, 1), (3, 5, 5)]
)
def test_part_of_an_epoch_is_rounded_up_and_max_steps_goes_before(epochs, max_steps, steps):
    assert count_steps(4, epochs, max_steps) == steps


def test_what_is_no_number_is_never_better():
    by_loss, by_accuracy = (
        Schedule(steps=1, between=1, learning_rate=1, factor=float, best_metric=metric)
        for metric in ("loss", "accuracy")
    )
    assert by_loss.is_better(0.5, None)
    assert by_loss.is_better(0.4, 0.5)
    assert by_accuracy.is_better(0.6, 0.5)
    assert not by_accuracy.is_better(0.5, 0.5)
    assert not by_loss.is_better(math.nan, None)
    assert not by_loss.is_better(math.nan, 0.5)


def test_only_reloras_settings_make_a_schedule_jagged():
    plain = pick_factor(9, 2, lora_r=4)
    relora = pick_factor(9, 2, lora_r=4, relora_steps=4, relora_warmup=1)
    assert [relora(step) == plain(step) for step in range(9)] == [
        step not in (4, 8) for step in range(9)
    ]
    assert plain(2) == 1
    assert relora(4) == 0
