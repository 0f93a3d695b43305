"""What an evaluation says first, as its report does, read out of its folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from mcqa.errors import DataError
from mcqa.evaluating.folder import COMPARISON, METRICS, Record
from mcqa.evaluating.results import read_comparisons
from mcqa.report.blocks import Plot, Table, Text
from mcqa.report.content import report_sections
from mcqa.report.figures import subject_accuracies
from mcqa.report.kinds import plot_name, runs_by_kind
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
    plots = [plot_name(kind, "accuracy") for kind in runs_by_kind(runs)]
    try:
        comparisons = read_comparisons(folder)
        return report_sections(runs, comparisons, (), plots, {})[0].blocks
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unfit(inside(folder, COMPARISON), error) from error


def accuracy_rows(runs: list[dict]) -> dict[str, list[dict]]:
    """Return what the charts of accuracies show, by the plot's name: a row per run that has one."""
    return {
        plot_name(kind, "accuracy"): [
            {
                "run": run["name"],
                "accuracy": run["metrics"]["accuracy"],
                "low": run["metrics"]["accuracy_ci95"][0],
                "high": run["metrics"]["accuracy_ci95"][1],
                "n": run["metrics"]["n"],
                "chance": run["metrics"]["chance"],
            }
            for run in own
            if run["metrics"].get("n")
        ]
        for kind, own in runs_by_kind(runs).items()
    }


def subject_rows(runs: list[dict]) -> dict[str, list[dict]]:
    """Return what the charts of subjects show, by kind: a row per run and subject."""
    return {
        kind: [
            {
                "run": run["name"],
                "subject": group["name"],
                "accuracy": group["value"],
                "low": group["ci95"][0],
                "high": group["ci95"][1],
                "n": group["n"],
            }
            for run in own
            for group in subject_accuracies(run["metrics"])
        ]
        for kind, own in runs_by_kind(runs).items()
    }


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
