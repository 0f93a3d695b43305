"""The live bar: it counts questions as they are trained on, whatever a step takes."""

import contextlib
from types import SimpleNamespace

import pytest

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


def train(bar, *, steps, size=4, processes=1, accumulation=1, start=0, until=None):
    """Call a bar as the Trainer does."""
    args = SimpleNamespace(
        train_batch_size=size, world_size=processes, gradient_accumulation_steps=accumulation
    )
    state = SimpleNamespace(global_step=start, max_steps=steps)
    control = SimpleNamespace(should_evaluate=False)
    bar.on_train_begin(args, state, control)
    while state.global_step < (until or steps):
        for number in range(accumulation):
            bar.add_loss(0.5)
            if number < accumulation - 1:
                bar.on_substep_end(args, state, control)
        state.global_step += 1
        control.should_evaluate = state.global_step == 2
        bar.on_step_end(args, state, control)
        if control.should_evaluate:
            bar.on_evaluate(args, state, control)


def test_it_moves_from_the_first_step_on():
    screen = Screen()
    with contextlib.ExitStack() as closing:
        train(TrainingBar(10, screen.progress, closing), steps=6)  # two epochs of 4, 4, 2
    assert screen.total == 20
    assert screen.shown == [
        (0, ""),
        (4, "loss 0.500"),
        (8, "loss 0.500, validating"),
        (8, "loss 0.500"),
        *((done, "loss 0.500") for done in (10, 14, 18, 20)),
        "closed",
    ]


def test_it_moves_within_a_step_and_adds_up_the_loss():
    screen = Screen()
    bar = TrainingBar(20, screen.progress, contextlib.ExitStack())
    train(bar, steps=2, size=2, processes=2, accumulation=3, until=1)
    assert screen.shown == [(0, ""), (4, ""), (8, ""), (12, "loss 1.500")]
    assert screen.total == 20  # the second step is of two passes


def test_a_resumed_run_shows_what_was_done_before():
    screen = Screen()
    train(TrainingBar(10, screen.progress, contextlib.ExitStack()), steps=6, start=4)
    assert [done for done, _ in screen.shown] == [14, 18, 20]
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
