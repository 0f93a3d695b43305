"""The live bar: it counts questions as they are trained on, whatever a step takes."""

import contextlib

import pytest
import torch

from mcqa.training import run
from mcqa.training.config import TrainingConfig
from mcqa.training.progress import TrainingBar, no_progress


class Screen:
    """Stand in for a terminal: remember what was shown."""

    def __init__(self):
        self.total = self.done = 0
        self.shown = []

    @contextlib.contextmanager
    def progress(self, total, label):
        self.total = total
        yield self.advance
        self.shown.append("closed")

    def advance(self, count, note=""):
        self.done += count
        self.shown.append((self.done, note))


def train(*, questions=10, steps, size=4, accumulation=1, start=0, until=None):
    """Call a bar as the training loop does, and return what was shown."""
    screen = Screen()
    with contextlib.ExitStack() as closing:
        bar = TrainingBar(questions, size, accumulation, screen.progress, closing)
        bar.on_begin(start, steps)
        for step in range(start + 1, (until or steps) + 1):
            for _ in range(accumulation):
                bar.on_pass(torch.tensor(0.5), size)
            bar.on_step(step)
            if step == 2:
                bar.on_evaluate(step)
                bar.on_log(step, {"eval_loss": 1.0})
    return screen


def test_it_moves_from_the_first_step_on():
    screen = train(steps=6)  # two epochs of 4, 4, 2
    assert screen.total == 20
    assert screen.shown == [
        (0, ""),
        (4, ""),
        (4, "loss 0.500"),
        (8, "loss 0.500"),
        (8, "loss 0.500"),
        (8, "loss 0.500, validating"),
        (8, "loss 0.500"),
        *((done, "loss 0.500") for done in (10, 14, 18, 20) for _ in range(2)),
        "closed",
    ]


def test_it_moves_within_a_step_and_adds_up_the_loss():
    screen = train(questions=20, steps=2, accumulation=3, until=1)
    assert screen.shown == [(0, ""), (4, ""), (8, ""), (12, ""), (12, "loss 1.500"), "closed"]
    assert screen.total == 20  # the second step is of two passes


def test_a_resumed_run_shows_what_was_done_before():
    screen = train(steps=6, start=4)
    assert screen.shown[::2] == [(14, ""), (18, "loss 0.500"), (20, "loss 0.500")]
    assert screen.total == 20


@pytest.mark.parametrize("rank", [0, 1])
def test_only_the_first_process_shows_it(monkeypatch, rank):
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setattr(run, "prepare", lambda *arguments: None)
    monkeypatch.setattr(run, "_train", lambda *arguments: arguments)
    config = TrainingConfig(data=("x.jsonl",), output="x")
    shows = Screen().progress
    *_, announce, progress = run.train("generative", config, print, shows)
    assert (announce is print) == (rank == 0)
    assert progress is (no_progress if rank else shows)
