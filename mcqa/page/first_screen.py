"""What an evaluation says first, as its report does, read out of its folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from mcqa.errors import DataError
from mcqa.evaluating.folder import METRICS, Record
from mcqa.evaluating.results import COMPARISON
from mcqa.report.blocks import Plot, Table, Text
from mcqa.report.content import report_sections
from mcqa.report.figures import subject_accuracies
from mcqa.system.files import inside


def read_runs(record: Record) -> list[dict]:
    """Return the runs as a report takes them; a DataError where their numbers cannot be read."""
    runs = []
    for evaluation in record.evaluations:
        told = {name: getattr(evaluation, name) for name in ("name", "scorer", "template", "cost")}
        runs.append({**told, "metrics": _read(inside(evaluation.folder, METRICS))})
    return runs


def first_screen(folder: Path, runs: list[dict]) -> Sequence[Text | Plot | Table]:
    """Return the blocks of the report's first screen, its verdicts among them."""
    path, comparisons = inside(folder, COMPARISON), []
    if path.is_file():
        first = _read(path)
        comparisons = [first, *first.pop("others", [])]
    try:
        return report_sections(runs, comparisons, (), ("accuracy",), {})[0].blocks
    except (KeyError, TypeError) as error:
        raise _unfit(folder, error) from error


def accuracy_rows(runs: list[dict]) -> list[dict]:
    """Return what the chart of accuracies shows: a row per run that has one."""
    rows = [(run["name"], run["metrics"]) for run in runs if run["metrics"].get("n")]
    return [
        {
            "run": name,
            "accuracy": metrics["accuracy"],
            "low": metrics["accuracy_ci95"][0],
            "high": metrics["accuracy_ci95"][1],
            "n": metrics["n"],
            "chance": metrics["chance"],
        }
        for name, metrics in rows
    ]


def subject_rows(runs: list[dict]) -> list[dict]:
    """Return what the chart of subjects shows: a row per run and subject."""
    return [
        {
            "run": run["name"],
            "subject": group["name"],
            "accuracy": group["value"],
            "low": group["ci95"][0],
            "high": group["ci95"][1],
            "n": group["n"],
        }
        for run in runs
        for group in subject_accuracies(run["metrics"])
    ]


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unfit(path, error) from error


def _unfit(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: not what `mcqa evaluate` writes ({type(error).__name__}: {error}). Write it "
        "anew with `mcqa report`."
    )
