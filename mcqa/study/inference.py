"""What a study says: each arm's mean over seeds, their differences, and where these come from.

An arm is a formulation with its settings. Everything is per data set, model and size, a condition;
what differs in one of these is never averaged. Nothing here depends on time or machine load, so a
study that was stopped says the very same as an unbroken one.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mcqa.errors import ComparisonError, DataError
from mcqa.evaluating.clusters import clusters_of
from mcqa.evaluating.folder import PREDICTIONS
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.crossed import LEAST_SEEDS, Components, difference, enough, mean
from mcqa.evaluation.fitting import apply_temperature, fit_temperature
from mcqa.evaluation.quality import question_values
from mcqa.evaluation.significance import holm
from mcqa.prediction import Prediction, read_predictions
from mcqa.question import Question
from mcqa.runs.trained import VALIDATION_FILE
from mcqa.study.grid import Cell
from mcqa.study.words import verdict

POINTS = (0.01, 0.02, 0.05)  # true differences for which the questions needed are stated


class Answered(NamedTuple):
    """Hold what the run of a cell answers to the test and to its validation questions."""

    tests: list[Prediction]
    validation: list[Prediction]


def read_cell(folder: Path) -> Answered:
    """Return the answers in a cell's folder.

    Raises:
        DataError: predictions are missing or damaged.
    """
    predictions, held_out = read_predictions(folder / PREDICTIONS), folder / VALIDATION_FILE
    if not predictions:
        raise DataError(f"{folder}: no predictions. Remove the folder and run the cell again.")
    return Answered(predictions, read_predictions(held_out) if held_out.is_file() else [])


def correct_table(runs: Sequence[Answered]) -> np.ndarray:
    """Return (S, N) whether each run is right on each question, in the order of the first.

    Raises:
        ComparisonError: the runs answer different questions.
    """
    return _aligned([{p.id: float(p.correct) for p in _labelled(run)} for run in runs])


def nll_table(runs: Sequence[Answered], *, calibrated: bool) -> np.ndarray | None:
    """Return (S, N) minus the log-probability of each right option, None where one has no scores.

    Args:
        runs: of one arm.
        calibrated: whether after a temperature, fitted on each run's own validation questions.
    """
    if any(p.kind == "several" or p.scores is None for run in runs for p in run.tests):
        return None
    tables = []
    for run in runs:
        answers = Answers.of(run.tests)
        if calibrated:
            temperature = fit_temperature(Answers.of(run.validation))["temperature"]
            answers = apply_temperature(answers, temperature)
        tables.append(dict(zip(answers.ids, question_values(answers)["nll"], strict=True)))
    return _aligned(tables)


def summarize_study(
    cells: Sequence[tuple[Cell, Path]],
    tests: Mapping[str, Sequence[Question]],
    sources: Mapping[str, str],
) -> dict:
    """Return what `results.json` of a study holds.

    Args:
        cells: the finished ones, with their folders.
        tests: the test questions of each data set by its name.
        sources: the source of each data set's test questions, by which bundled ones are clustered.

    Returns:
        `conditions`, a list with for each data set, model and size: `arms`, each with `accuracy`
        and `nll` over seeds (`value`, `ci95`, `per_seed`; None without scores), the latter
        `after_temperature` where every run answered validation questions; and `differences` of
        each pair of arms, the first minus the second, with `accuracy` and `nll` (see
        `mcqa.evaluation.crossed.Difference`; `refused` says why there is no interval), the
        `questions_needed` for true differences of accuracy of 1, 2 and 5 points, and a `verdict`.
    """
    conditions: dict[tuple, dict[str, dict[int, Answered]]] = {}
    for cell, folder in cells:
        arms = conditions.setdefault((cell.data, cell.model, cell.size), {})
        arms.setdefault(cell.arm, {})[cell.seed] = read_cell(folder)
    described = []
    for (data, model, size), arms in conditions.items():
        keys = clusters_of(tests[data], source=sources[data])
        here = {"data": data, "model": model, "size": size}
        described.append(here | _describe(arms, keys))
    return {"conditions": described}


def _describe(arms: Mapping[str, Mapping[int, Answered]], keys: Mapping | None) -> dict:
    """Return what is known of the arms in one condition."""
    runs = {arm: list(of_seed.values()) for arm, of_seed in arms.items()}
    first = next(iter(runs.values()))[0]
    clusters_N = None if keys is None else np.array([keys[p.id] for p in _labelled(first)])
    # of all runs or of none: a loss before a temperature says nothing beside one after it
    calibrated = all(run.validation for of_arm in runs.values() for run in of_arm)
    tables = {
        "accuracy": {arm: correct_table(of_arm) for arm, of_arm in runs.items()},
        "nll": {arm: nll_table(of_arm, calibrated=calibrated) for arm, of_arm in runs.items()},
    }
    pairs = [
        {"a": a, "b": b}
        | {measure: _difference(of[a], of[b], clusters_N) for measure, of in tables.items()}
        for a, b in itertools.combinations(arms, 2)
    ]
    known = [pair["accuracy"] for pair in pairs if "p" in pair["accuracy"]]
    for found, p in zip(known, holm([found["p"] for found in known]), strict=True):
        found["p_holm"], found["compared"] = p, len(known)
    return {
        "n_questions": len(_labelled(first)),
        "after_temperature": calibrated,
        "n_clusters": None if clusters_N is None else len(set(clusters_N)),
        "arms": [
            {"name": arm, "seeds": list(of_seed)}
            | {"accuracy": _within_shares(_mean(tables["accuracy"][arm], clusters_N))}
            | {"nll": _mean(tables["nll"][arm], clusters_N)}
            for arm, of_seed in arms.items()
        ],
        "differences": [
            pair
            | {"questions_needed": _questions_needed(pair["accuracy"]), "verdict": verdict(pair)}
            for pair in pairs
        ],
    }


def _labelled(run: Answered) -> list[Prediction]:
    return [prediction for prediction in run.tests if prediction.label is not None]


def _aligned(by_id: Sequence[Mapping[str, float]]) -> np.ndarray:
    if any(run.keys() != by_id[0].keys() for run in by_id):
        raise ComparisonError("the cells of a study answer different questions; run them again.")
    return np.array([[run[id] for id in by_id[0]] for run in by_id])


def _mean(table_SN: np.ndarray | None, clusters_N: np.ndarray | None) -> dict | None:
    if table_SN is None:
        return None
    known = {"value": float(table_SN.mean()), "ci95": None, "per_seed": table_SN.mean(1).tolist()}
    if len(table_SN) >= LEAST_SEEDS:
        found = mean(table_SN, clusters_N=clusters_N)
        if found.standard_error:  # without any variation it would be as narrow as can be
            known["ci95"] = list(found.ci95)
    return known


def _within_shares(known: dict) -> dict:
    """Return an accuracy whose interval ends where accuracies do."""
    if known["ci95"] is None:
        return known
    return known | {"ci95": [min(1.0, max(0.0, end)) for end in known["ci95"]]}


def _difference(a_SN, b_SN, clusters_N: np.ndarray | None) -> dict | None:
    """Return a difference; where there can be no interval, `refused` says why."""
    if a_SN is None or b_SN is None:
        return None
    least = min(len(a_SN), len(b_SN))
    if least < LEAST_SEEDS:
        refused = f"there are {least} seeds; an interval takes {LEAST_SEEDS}"
        return {"value": float(a_SN.mean() - b_SN.mean()), "refused": refused}
    found = difference(a_SN, b_SN, clusters_N=clusters_N)
    if not found.standard_error:
        refused = "nothing varies with questions or seeds, so there is no interval"
        return {"value": found.value, "refused": refused}
    return asdict(found)


def _questions_needed(found: dict) -> dict | None:
    """Return how many questions would show a difference of so many points, with these seeds."""
    if "refused" in found:
        return None
    components, seeds = Components(**found["components"]), min(found["n_seeds"])
    return {f"{100 * points:g}": enough(components, points, seeds=seeds) for points in POINTS}
