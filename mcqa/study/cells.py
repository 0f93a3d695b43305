"""Run the cells of a study, each once: a run folder, and its answers to the test questions.

    study.json                 the grid
    cells/NAME/cell.json       what is done and, written last, what it cost
    cells/NAME/run/            the run folder
    cells/NAME/predictions.jsonl

A cell that is there is not run again, and one whose settings or data have changed is refused.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import mcqa
from mcqa.data import is_bundled, load_questions
from mcqa.data.digests import describe_changes, digest_questions
from mcqa.errors import ConfigError
from mcqa.evaluating.evaluate import ModelSpec, evaluate
from mcqa.evaluating.folder import PREDICTIONS
from mcqa.evaluation import numbers
from mcqa.question import Question
from mcqa.runs.questions_seen import Seen
from mcqa.runs.training_folder import checkpoint_folders
from mcqa.scoring.partial import forget, partial_path
from mcqa.study.grid import CELL, CELLS, GRID, Cell, DataSet, Grid
from mcqa.system.cluster import cluster
from mcqa.system.cluster import run_tasks as run_on_cluster
from mcqa.system.files import inside, write_json
from mcqa.system.locks import locked
from mcqa.training.config import TrainingConfig
from mcqa.training.questions import load_training, load_validation
from mcqa.training.run import train

Progress = Callable[[int, str], contextlib.AbstractContextManager]


class Cluster(NamedTuple):
    """Say which Ray cluster to run cells on, see `mcqa.system.cluster`, and what each takes."""

    address: str
    gpus: float = 0
    cpus: float = 1


class Task(NamedTuple):
    """Hold a cell and all that is known of it before it is run.

    Args:
        cell, folder: what to run, and where.
        work: what decides its answers, by the names in which a change is reported.
        tests: the questions to score.
        n_training: how many questions an epoch of its training has.
        trained_on: the ids of the questions to score that it is trained on, see `Seen.find`.
    """

    cell: Cell
    folder: Path
    work: dict
    tests: Sequence[Question]
    n_training: int
    trained_on: Mapping[str, Sequence[str]] = MappingProxyType({"exact": (), "near": ()})

    def cost(self) -> dict | None:
        """Return what the cell cost, None where it is not finished.

        Raises:
            ConfigError: what is there is other work.
        """
        path = self.folder / CELL
        if not path.exists():
            return None
        before = json.loads(path.read_text(encoding="utf-8"))
        if changes := describe_changes(before["work"], self.work):
            raise ConfigError(
                f"{self.folder} holds a cell of other work:\n{changes}\nGive the study another "
                "--output, or remove that folder to run the cell again."
            )
        return before["cost"]


def load_test(source: DataSet, config: TrainingConfig) -> list[Question]:
    """Return the test questions of a data set, the labelled ones, read as those of training are.

    Raises:
        DataError: they cannot be read, or none is labelled.
    """
    reading = {} if is_bundled(source.test_source) else config.reading()
    how = {"split": source.test_split, "limit": source.test_limit, "unlabelled": "skip"}
    return load_questions(source.test_source, **reading | how)


def plan_tasks(
    grid: Grid,
    output: Path,
    *,
    exclude_trained: bool = False,
    announce: Callable[[str], None] = lambda line: None,
) -> list[Task]:
    """Read the data of a study, and return its cells as tasks.

    Args:
        grid, output: what to run, and where.
        exclude_trained: whether to leave out of a data set's test questions, for all cells, those
            that a cell of it is trained on.
        announce: called with a line on what is left out.

    Raises:
        ConfigError: a setting cannot be used, or a cell there is of other work.
        DataError: data cannot be read.
    """
    tests, trained, plans, tasks = {}, {}, [], []
    for cell in grid.cells():
        source, config = grid.data[cell.data], cell.config(Path("."))
        if cell.data not in tests:
            tests[cell.data] = load_test(source, config)
        known = str((config.data, config.split, config.limit, config.seed, config.reading()))
        if known not in trained:
            reading = {"unlabelled": config.unlabelled, **config.reading()}
            loaded = load_training(config.data, config.split, config.limit, config.seed, **reading)
            held_out = config.validation_data, config.validation_split, config.validation_limit
            validation = load_validation(*held_out, config.data, **reading).questions
            about = loaded.work() | {"validation questions": digest_questions(validation)}
            seen = Seen.of(question for one in loaded.sets for question in one.part)
            trained[known] = about, loaded.record()["used"], seen
        plans.append((cell, *trained[known]))
    if exclude_trained:
        for name in tests:
            of_data = [seen for cell, _, _, seen in plans if cell.data == name]
            tests[name] = _without_trained(name, tests[name], of_data, announce)
    for cell, about, n_training, seen in plans:
        work = {
            **{f"setting {name}": value for name, value in sorted(cell.settings.items())},
            "formulation": cell.formulation,
            "scorer": cell.scorer,
            **about,
            "test questions": digest_questions(tests[cell.data]),
            "version": mcqa.__version__,
        }
        work = json.loads(json.dumps(work, default=str))  # as it will be read
        folder = inside(output, f"{CELLS}/{cell.name}")
        found = seen.find(tests[cell.data])
        tasks.append(Task(cell, folder, work, tests[cell.data], n_training, found))
    for task in tasks:
        task.cost()
    return tasks


def _without_trained(
    name: str, tests: Sequence[Question], seen: Sequence[Seen], announce: Callable[[str], None]
) -> list[Question]:
    """Return the test questions that no cell is trained on.

    Raises:
        ConfigError: none is left.
    """
    trained = {id for each in seen for ids in each.find(tests).values() for id in ids}
    kept = [question for question in tests if question.id not in trained]
    if not kept:
        raise ConfigError(
            f"--exclude-trained: all {len(tests):,} test questions of {name} are trained on. Name "
            "others as `test`."
        )
    announce(
        f"{len(tests) - len(kept):,} of {len(tests):,} test questions of {name} were trained on "
        "and are left out"
    )
    return kept


def run_cell(task: Task, *, announce: Callable[[str], None], progress: Progress) -> dict:
    """Train and score one cell, going on where an earlier call was stopped, and return its cost.

    Args:
        task: what to run.
        announce: called with lines for the user.
        progress: called with a total and a label; its context yields the advancing function.
    """
    cell, folder, tests = task.cell, task.folder, task.tests
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        kept = {"work": task.work, "cell": cell.model_dump(mode="json")}
        write_json(folder / CELL, kept | {"cost": None})
        run, started = folder / "run", time.perf_counter()
        config = cell.config(folder, resume=bool(checkpoint_folders(run)))
        if not (run / "run.json").exists():
            train(cell.formulation, config, announce, progress)
        with progress(len(tests), cell.name) as on_progress:
            spec, how = ModelSpec(str(run), cell.scorer), {"device": config.device}
            scored = evaluate(spec, cell.name, tests, folder, on_progress=on_progress, **how)
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        cost = {
            "training_seconds": record.get("seconds"),
            "training_memory_bytes": record.get("peak_memory_bytes"),
            "scoring_seconds": scored.metrics["seconds"],
            "scoring_memory_bytes": scored.metrics["peak_memory_bytes"],
            "seconds": time.perf_counter() - started,
        }
        write_json(folder / CELL, kept | {"cost": cost})
        forget(partial_path(folder / PREDICTIONS))
    return cost


def run_tasks(
    grid: Grid,
    tasks: Sequence[Task],
    output: Path,
    *,
    announce: Callable[[str], None],
    progress: Progress,
    on: Cluster | None = None,
) -> dict[str, dict]:
    """Run what is missing of a study, and return the cost of each cell by its name.

    Cell after cell, or `on` a cluster as many at once as it has room for.
    """
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / GRID, grid.model_dump(mode="json"))
    costs = {task.cell.name: cost for task in tasks if (cost := task.cost())}
    left = [task for task in tasks if task.cell.name not in costs]
    announce(f"{len(tasks)} cells, {len(costs)} of them done; {len(left)} to run in {output}")
    if on and left:
        return costs | dict(_run_on(on, left, announce))
    taken = []
    for number, task in enumerate(left, 1):
        announce(f"Cell {number} of {len(left)}: {task.cell.name}")
        cost = run_cell(task, announce=announce, progress=progress)
        costs[task.cell.name] = cost
        taken.append((task, cost))
        if left[number:]:
            announce(_outlook(taken, left[number:]))
    return costs


def _run_on(
    on: Cluster, tasks: Sequence[Task], announce: Callable[[str], None]
) -> Iterator[tuple[str, dict]]:
    """Yield the name and the cost of each cell, as they are done."""

    here = Path.cwd()

    def run(task: Task) -> dict:
        os.chdir(here)  # settings may have relative paths
        return run_cell(task, announce=lambda line: None, progress=_no_progress)

    with cluster(on.address, announce):
        done = run_on_cluster(run, tasks, gpus=on.gpus, cpus=on.cpus)
        for count, (number, cost) in enumerate(done, 1):
            name = tasks[number].cell.name
            took = numbers.format_seconds(cost["seconds"])
            announce(f"{count} of {len(tasks)} cells done: {name}, in {took}")
            yield name, cost


def _no_progress(total: int, label: str) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext(lambda count, note="": None)


def _outlook(taken: Sequence[tuple[Task, dict]], left: Sequence[Task]) -> str:
    seconds = estimate_seconds(taken, left)
    about = f"{len(left)} cells left, about {numbers.format_seconds(seconds)}"
    peaks = [cost[name] for _, cost in taken for name in cost if name.endswith("_bytes")]
    if known := list(filter(None, peaks)):
        about += f"; memory so far {numbers.format_bytes(max(known))}"
    return about


def estimate_seconds(taken: Sequence[tuple[Task, Mapping]], left: Sequence[Task]) -> float:
    """Estimate how long cells will take from those of this call.

    Training goes with its questions, at the pace of the same formulation where one was run, and
    the rest with the questions to score.
    """

    def pace(arm: str) -> float:
        own = [each for each in taken if each[0].cell.arm == arm] or taken
        trained = sum(cost["training_seconds"] for _, cost in own)
        return trained / sum(task.n_training for task, _ in own)

    rest = sum(max(0.0, cost["seconds"] - cost["training_seconds"]) for _, cost in taken)
    rest /= sum(len(task.tests) for task, _ in taken)
    return sum(pace(task.cell.arm) * task.n_training + rest * len(task.tests) for task in left)
