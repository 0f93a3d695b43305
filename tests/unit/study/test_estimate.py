from pathlib import Path

import pytest

from mcqa.study.cells import Task, estimate_seconds
from mcqa.study.grid import make_grid


def task(arm, n_training, n_tests=100):
    (cell,) = [cell for cell in make_grid({"seeds": [0]}).cells() if cell.arm == arm]
    return Task(cell, Path("."), {}, [None] * n_tests, n_training)


def test_training_goes_with_its_questions_and_the_rest_with_those_to_score():
    taken = [(task("generative", 250), {"training_seconds": 50, "seconds": 60})]
    assert estimate_seconds(taken, [task("generative", 1000)]) == pytest.approx(200 + 10)
    assert estimate_seconds(taken, [task("generative", 250, 300)]) == pytest.approx(50 + 30)
    both = [task("generative", 1000), task("multiple_choice", 500)]
    assert estimate_seconds(taken, both) == pytest.approx(210 + 110)


def test_a_formulation_that_was_run_sets_its_own_pace():
    taken = [
        (task("generative", 250), {"training_seconds": 50, "seconds": 60}),
        (task("multiple_choice", 250), {"training_seconds": 100, "seconds": 120}),
    ]
    assert estimate_seconds(taken, [task("multiple_choice", 500)]) == pytest.approx(200 + 15)
