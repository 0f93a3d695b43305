"""What recipes do while training runs, and the optimizer that a device has."""

from types import SimpleNamespace

import pytest
import torch

from mcqa.training.arguments import pick_optimizer
from mcqa.training.schedules import Restarts, jagged


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
    state = SimpleNamespace(global_step=step, max_steps=8)
    Restarts(None, 4).on_step_end(None, state, None, optimizer=optimizer)
    assert (not optimizer.state[restarted]) == restarts
    assert optimizer.state[kept]


@pytest.mark.parametrize(
    ("asked", "device", "used"),
    [
        ("paged_adamw_8bit", "cpu", "adamw_8bit"),
        ("paged_adamw_32bit", "cpu", "adamw_torch"),
        ("paged_adamw_8bit", "cuda:0", "paged_adamw_8bit"),
        ("adamw_8bit", "cpu", "adamw_8bit"),
    ],
)
def test_a_paged_optimizer_is_used_where_there_is_a_gpu_to_page_from(asked, device, used):
    lines = []
    assert pick_optimizer(asked, device, lines.append) == used
    assert len(lines) == (asked != used)
    assert all(asked in line and used in line for line in lines)
