"""What a study says: each arm's mean over seeds, their differences, and where these come from.

An arm is a formulation with its settings. Everything is per data set, model and size; what differs
in one of these is never averaged.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mcqa.errors import ComparisonError, DataError
from mcqa.evaluating.clusters import clusters_of
from mcqa.evaluation.crossed import LEAST_SEEDS, difference, enough, mean
from mcqa.prediction import Prediction, read_predictions
from mcqa.question import Question
from mcqa.study.grid import Cell

POINTS = (0.01, 0.02, 0.05)  # true differences for which the questions needed are stated


def correct_table(runs: Sequence[Sequence[Prediction]]) -> np.ndarray:
    """Return (S, N) whether each run is right on each question, in the order of the first.

    Raises:
        ComparisonError: the runs answer different questions.
    """
    by_id = [{p.id: float(p.correct) for p in run if p.label is not None} for run in runs]
    if any(run.keys() != by_id[0].keys() for run in by_id):
        raise ComparisonError("the cells of a study answer different questions; run them again.")
    return np.array([[run[id] for id in by_id[0]] for run in by_id])


def read_cells(cells: Sequence[tuple[Cell, Path]]) -> dict[tuple, dict[str, dict[int, list]]]:
    """Return predictions by (data, model, size), arm and seed.

    Raises:
        DataError: predictions are missing or damaged.
    """
    found: dict[tuple, dict[str, dict[int, list]]] = {}
    for cell, folder in cells:
        arms = found.setdefault((cell.data, cell.model, cell.size), {})
        predictions = read_predictions(folder / "predictions.jsonl")
        if not predictions:
            raise DataError(f"{folder}: no predictions. Remove the folder and run the cell again.")
        arms.setdefault(cell.arm, {})[cell.seed] = predictions
    return found


def summarize_study(
    cells: Sequence[tuple[Cell, Path]],
    tests: Mapping[str, Sequence[Question]],
    sources: Mapping[str, str],
    costs: Mapping[str, dict],
) -> dict:
    """Return what `results.json` of a study holds.

    Args:
        cells: the finished ones, with their folders.
        tests: the test questions of each data set by its name.
        sources: the source of each data set's test questions, by which bundled ones are clustered.
        costs: of each cell by its name, from `cell.json`.

    Returns:
        `conditions`, a list with for each data set, model and size: `arms`, each with its accuracy
        over seeds (`value`, `ci95`, `seeds`, `per_seed`) and mean cost; and `differences`, of each
        pair of arms, the first named first (see `mcqa.evaluation.crossed.Difference`), with
        `questions_needed` for true differences of 1, 2 and 5 points.
    """
    conditions = []
    for (data, model, size), arms in read_cells(cells).items():
        keys = _clusters(tests[data], sources[data], next(iter(next(iter(arms.values())).values())))
        tables = {arm: correct_table(list(runs.values())) for arm, runs in arms.items()}
        here = {"data": data, "model": model, "size": size}
        conditions.append(
            here
            | {
                "n_questions": next(iter(tables.values())).shape[1],
                "arms": [
                    _arm(arm, list(arms[arm]), table_SN, keys)
                    | {"cost": _cost(arm, here, cells, costs)}
                    for arm, table_SN in tables.items()
                ],
                "differences": [
                    _difference(a, b, arms, tables, keys)
                    for a, b in itertools.combinations(tables, 2)
                ],
            }
        )
    return {"conditions": conditions}


def _clusters(questions, source: str, predictions: Sequence[Prediction]) -> np.ndarray | None:
    keys = clusters_of(questions, source=source)
    if keys is None:
        return None
    return np.array([keys[p.id] for p in predictions if p.label is not None])


def _arm(name: str, seeds: list[int], table_SN: np.ndarray, keys) -> dict:
    arm = {"name": name, "seeds": seeds, "value": float(table_SN.mean())}
    arm["per_seed"] = table_SN.mean(1).tolist()
    arm["ci95"] = None
    if len(seeds) >= LEAST_SEEDS:
        arm["ci95"] = list(mean(table_SN, clusters_N=keys).ci95)
    return arm


def _cost(arm: str, here: dict, cells, costs: Mapping[str, dict]) -> dict:
    own = [
        costs[cell.name]
        for cell, _ in cells
        if cell.arm == arm and {name: getattr(cell, name) for name in here} == here
    ]
    names = ("training_seconds", "training_memory_bytes", "scoring_seconds")
    known = {name: [cost[name] for cost in own if cost.get(name) is not None] for name in names}
    return {name: float(np.mean(values)) if values else None for name, values in known.items()}


def _difference(a: str, b: str, arms: Mapping, tables: Mapping, keys) -> dict:
    paired = list(arms[a]) == list(arms[b])
    least = min(len(tables[a]), len(tables[b]))
    pair = {"a": a, "b": b, "value": float(tables[a].mean() - tables[b].mean())}
    if least < LEAST_SEEDS:
        return pair | {"refused": f"{least} seeds; from {LEAST_SEEDS} on an interval is given"}
    found = difference(tables[a], tables[b], clusters_N=keys)
    needed = {
        f"{100 * points:g}": enough(found.components, points, seeds=least) for points in POINTS
    }
    return pair | asdict(found) | {"same_seeds": paired, "questions_needed": needed}
