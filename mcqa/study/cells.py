"""Run the cells of a study, each once: a run folder, and its answers to the test questions.

    study.json                 the grid
    cells/NAME/cell.json       what was done and what it cost; written last
    cells/NAME/run/            the run folder
    cells/NAME/predictions.jsonl

A cell that is there is not run again, and one whose settings or data have changed is refused.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import mcqa
from mcqa.data import data_fingerprint, load_questions
from mcqa.data.digests import digest_questions
from mcqa.errors import ConfigError
from mcqa.evaluating.evaluate import ModelSpec, evaluate
from mcqa.question import Question
from mcqa.runs.training_folder import last_checkpoint
from mcqa.study.grid import Cell, DataSet, Grid
from mcqa.system.files import inside, write_json
from mcqa.system.locks import locked
from mcqa.training.run import train

GRID, CELLS, CELL = "study.json", "cells", "cell.json"


def load_test(source: DataSet) -> list[Question]:
    """Return the test questions of a data set, the labelled ones.

    Raises:
        DataError: they cannot be read, or none is labelled.
    """
    return load_questions(
        source.test_source, split=source.test_split, limit=source.test_limit, unlabelled="skip"
    )


def cell_work(cell: Cell, source: DataSet, tests: Sequence[Question]) -> dict:
    """Return what decides a cell's answers, by the names in which a change is reported."""
    return {
        **{f"setting {name}": value for name, value in sorted(cell.settings.items())},
        "formulation": cell.formulation,
        "scorer": cell.scorer,
        "training data": data_fingerprint(source.data, source.split),
        "test questions": digest_questions(tests),
        "version": mcqa.__version__,
    }


def is_done(folder: Path, work: dict) -> bool:
    """Say whether a cell's answers are there.

    Raises:
        ConfigError: they are answers of other work.
    """
    path = folder / CELL
    if not path.exists():
        return False
    before = json.loads(path.read_text(encoding="utf-8"))["work"]
    changed = [name for name in before | work if before.get(name) != work.get(name)]
    if changed:
        listed = "\n".join(
            f"  {name}: then {before.get(name)!r}, now {work.get(name)!r}" for name in changed
        )
        raise ConfigError(
            f"{folder} holds a cell of other work:\n{listed}\nGive the study another --output, or "
            "remove that folder to run the cell again."
        )
    return True


def run_cell(
    cell: Cell,
    folder: Path,
    work: dict,
    tests: Sequence[Question],
    *,
    announce: Callable[[str], None],
    progress: Callable[[int, str], contextlib.AbstractContextManager],
) -> dict:
    """Train and score one cell, going on where an earlier call was stopped, and return its record.

    Args:
        cell: what to run.
        folder: of the cell.
        work: from `cell_work`.
        tests: what to score.
        announce: called with lines for the user.
        progress: called with a total and a label; its context yields the advancing function.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        run = folder / "run"
        started = time.perf_counter()
        if not (run / "run.json").exists():
            resume = last_checkpoint(run) is not None
            train(cell.formulation, cell.config(folder, resume=resume), announce, progress)
        with progress(len(tests), cell.name) as on_progress:
            spec = ModelSpec(str(run), cell.scorer)
            evaluation = evaluate(spec, cell.name, tests, folder, on_progress=on_progress)
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        done = {
            "work": work,
            "cell": cell.model_dump(mode="json"),
            "cost": {
                "training_seconds": record.get("seconds"),
                "training_memory_bytes": record.get("peak_memory_bytes"),
                "scoring_seconds": evaluation.metrics["seconds"],
                "seconds": time.perf_counter() - started,
            },
        }
        write_json(folder / CELL, done)
    return done


def run_grid(
    grid: Grid,
    output: Path,
    *,
    announce: Callable[[str], None],
    progress: Callable[[int, str], contextlib.AbstractContextManager],
) -> Iterator[tuple[Cell, Path]]:
    """Run what is missing of a study, cell after cell, and yield each with its folder.

    Raises:
        McqaError: a setting or the data cannot be used, or a cell is of other work: before
            anything is trained.
    """
    cells = grid.cells()
    tests = {name: load_test(source) for name, source in grid.data.items()}
    works = [cell_work(cell, grid.data[cell.data], tests[cell.data]) for cell in cells]
    folders = [inside(output, f"{CELLS}/{cell.name}") for cell in cells]
    done = [is_done(folder, work) for folder, work in zip(folders, works, strict=True)]
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / GRID, grid.model_dump(mode="json"))
    left = len(cells) - sum(done)
    announce(f"{len(cells)} cells, {sum(done)} of them done; {left} to run; folder {output}")
    spent, taken = 0.0, 0
    for number, (cell, folder, work, known) in enumerate(
        zip(cells, folders, works, done, strict=True), 1
    ):
        if not known:
            announce(f"Cell {number} of {len(cells)}: {cell.name}{_left(spent, taken, left)}")
            how = {"announce": announce, "progress": progress}
            record = run_cell(cell, folder, work, tests[cell.data], **how)
            spent, taken, left = spent + record["cost"]["seconds"], taken + 1, left - 1
        yield cell, folder


def _left(spent: float, taken: int, left: int) -> str:
    if not taken:
        return ""
    return f"; about {spent / taken * left / 60:.0f} minutes left at {spent / taken:.0f} s a cell"
