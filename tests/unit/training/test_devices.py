"""Where a run computes, on a machine that is made to look as if it had GPUs."""

import pytest
import torch
from accelerate import Accelerator

from mcqa.training.devices import Machine


@pytest.fixture
def made_current(monkeypatch):
    """Pretend that there are two GPUs; return the list of those made the current one."""
    made_current = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda d: made_current.append(torch.device(d)))
    return made_current


def test_the_gpu_that_is_named_becomes_the_current_one(made_current):
    machine = Machine("cuda:1", torch.bfloat16)
    assert (machine.device, made_current) == ("cuda:1", [torch.device("cuda", 1)])
    assert machine.accelerator.num_processes == 1


def test_training_on_a_cpu_leaves_the_gpus_alone(made_current):
    machine = Machine("cpu", torch.float32)
    assert made_current == []
    batch = machine.take({"labels": torch.zeros(2)})
    assert batch["labels"].device.type == "cpu"


def test_two_runs_of_a_process_may_differ_in_precision():
    Accelerator()  # of somebody else in this process
    weights = torch.ones(2, 2)
    for dtype in (torch.bfloat16, torch.float32, torch.bfloat16):
        with Machine("cpu", dtype).mixed():
            assert (weights @ weights).dtype is dtype


def test_a_loss_is_not_divided_whatever_the_launcher_says(monkeypatch):
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    weight = torch.nn.Parameter(torch.ones(()))
    Machine("cpu", torch.float32, accumulation=4).backward(3 * weight)
    assert weight.grad == 3
