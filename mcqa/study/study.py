"""A whole study: run its cells, and say what they say of formulations.

results.json               what the answers say, the same whenever they were computed
report.html, report.md     for people, with what the runs cost
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mcqa.report.curves import learning_curves
from mcqa.report.figures import as_svg
from mcqa.report.page import write_page
from mcqa.report.study import study_sections
from mcqa.study.cells import Cluster, Progress, Task, plan_tasks, run_tasks
from mcqa.study.costs import costs_to_reach
from mcqa.study.grid import RESULTS, Cell, Grid
from mcqa.study.inference import describe_trained_on, summarize_study
from mcqa.study.words import condition_name, crossings
from mcqa.system.files import require_folder, write_json
from mcqa.system.locks import locked

PAGES = "report.html", "report.md"


def run_study(
    grid: Grid,
    output: str | Path,
    *,
    announce: Callable[[str], None],
    progress: Progress,
    details: Mapping[str, str],
    exclude_trained: bool = False,
    on: Cluster | None = None,
) -> dict:
    """Run what is missing of a study, write its results and pages, and return the results.

    Args:
        grid: what to run.
        output: the folder; a study that is there goes on.
        announce: called with lines for the user.
        progress: called with a total and a label; its context yields the advancing function.
        details: what the numbers depend on, label to text.
        exclude_trained: see `mcqa.study.cells.plan_tasks`.
        on: what to run the cells on, several at once; None for here, one after the other.

    Raises:
        McqaError: a setting or the data cannot be used, or a cell is of other work: before
            anything is trained.
    """
    grid.cells()  # what is wrong with the settings shows before a folder is made
    folder = require_folder(output)
    with locked(folder):
        how = {"exclude_trained": exclude_trained, "announce": announce}
        tasks = plan_tasks(grid, folder, **how)
        costs = run_tasks(grid, tasks, folder, announce=announce, progress=progress, on=on)
        results = summarize_study(
            [(task.cell, task.folder) for task in tasks],
            {task.cell.data: task.tests for task in tasks},
            {name: source.test_source for name, source in grid.data.items()},
        )
        for condition in results["conditions"]:
            condition |= describe_trained_on([t for t in tasks if _is_of(t.cell, condition)])
        write_json(folder / RESULTS, {"title": grid.title, **results})
        _write_pages(folder, grid, tasks, results["conditions"], costs, details)
    return results


def _write_pages(
    folder: Path,
    grid: Grid,
    tasks: Sequence[Task],
    conditions: Sequence[Mapping],
    costs: Mapping[str, dict],
    details: Mapping[str, str],
) -> None:
    """Write the pages: what the results say, and what that cost."""
    several = len(grid.models) > 1
    conditions = describe_conditions(conditions, [task.cell for task in tasks], costs)
    curves, plots, sentences, reached = {}, {}, [], {}
    for number, (about, of_sizes) in enumerate(_curves(conditions, several).items(), 1):
        curves[f"learning-{number}"] = about
        plots[f"learning-{number}"] = as_svg(learning_curves, of_sizes)
        reached[about] = costs_to_reach(of_sizes)
        for a, b in itertools.combinations([arm["name"] for arm in of_sizes[0]["arms"]], 2):
            for sizes in crossings(of_sizes, a, b):
                between = " and ".join(f"{size:,}" if size else "all" for size in sizes)
                sentences.append(
                    f"{about}: between {between} training questions the lead changes between {a} "
                    f"and {b}; intervals say whether either lead is more than luck."
                )
    cells = [_described_cell(task, conditions, costs) for task in tasks]
    told = {"crossings": sentences, "reached": reached}
    sections = study_sections(conditions, cells, curves, details=details, **told)
    for name in PAGES:
        write_page(folder / name, title=grid.title, sections=sections, plots=plots)


def _curves(conditions: Sequence[Mapping], several: bool) -> dict[str, list[Mapping]]:
    """Return the conditions of each data set and model, by what to call these, in order of size."""
    curves: dict[str, list[Mapping]] = {}
    for condition in sorted(conditions, key=lambda condition: condition["size"] or float("inf")):
        about = condition["data"] + (f", {condition['model']}" if several else "")
        curves.setdefault(about, []).append(condition)
    return curves


def describe_conditions(
    conditions: Sequence[Mapping], cells: Sequence[Cell], costs: Mapping[str, dict]
) -> list[Mapping]:
    """Return a study's conditions as its page tells of them, each with a `title` and mean `costs`.

    Args:
        conditions: of `results.json`.
        cells: of the study's grid.
        costs: of each cell by its name, as `cell.json` holds them.
    """
    several = len({condition["model"] for condition in conditions}) > 1
    return [
        condition
        | {"title": condition_name(condition, several_models=several)}
        | {"costs": _mean_costs(condition, cells, costs)}
        for condition in conditions
    ]


def _is_of(cell: Cell, condition: Mapping) -> bool:
    """Say whether a cell is one of a condition."""
    return all(getattr(cell, name) == condition[name] for name in ("data", "model", "size"))


def _mean_costs(condition: Mapping, cells: Sequence[Cell], costs: Mapping[str, dict]) -> dict:
    """Return the mean costs of a run of each arm, None of what is not known."""
    means = {}
    for arm in condition["arms"]:
        own = [cell for cell in cells if _is_of(cell, condition) and cell.arm == arm["name"]]
        of_runs = [costs[cell.name] for cell in own]
        known = {name: [cost[name] for cost in of_runs if cost[name]] for name in of_runs[0]}
        means[arm["name"]] = {
            name: float(np.mean(values)) if values else None for name, values in known.items()
        }
    return means


def _described_cell(task: Task, conditions: Sequence[Mapping], costs: Mapping[str, dict]) -> dict:
    """Return a cell as the page lists it."""
    cell = task.cell
    (condition,) = (condition for condition in conditions if _is_of(cell, condition))
    (arm,) = (arm for arm in condition["arms"] if arm["name"] == cell.arm)
    place = arm["seeds"].index(cell.seed)
    return {
        "name": cell.name,
        "accuracy": arm["accuracy"]["per_seed"][place],
        "nll": arm["nll"] and arm["nll"]["per_seed"][place],
        "cost": costs[cell.name],
    }
