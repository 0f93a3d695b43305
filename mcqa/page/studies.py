"""A study's folder: what it says first, and its cells as an evaluation to explore."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mcqa.data.digests import digest_questions
from mcqa.errors import DataError, McqaError
from mcqa.evaluating.folder import METRICS, PREDICTIONS, Evaluation, Record, Validation
from mcqa.evaluation.numbers import format_accuracy
from mcqa.prediction import read_predictions
from mcqa.question import Question
from mcqa.report.blocks import Text
from mcqa.report.study import study_sections
from mcqa.study.cells import load_test
from mcqa.study.grid import CELL, CELLS, GRID, RESULTS, Cell, Grid, make_grid
from mcqa.study.study import describe_conditions
from mcqa.system.files import inside

NOT_DONE = "The study is not finished: {} of {} cells are done, and its verdicts come with the last"
NO_TEXTS = "The texts of the questions are not shown: their data is not here as it was."


class Study(NamedTuple):
    """Hold a study: its finished cells, what is kept of each by name, and what the results say."""

    folder: Path
    grid: Grid
    cells: list[Cell]
    kept: dict[str, dict]
    conditions: list[Mapping]

    @property
    def data(self) -> list[str]:
        """The names of the data sets whose questions some cell has answered."""
        return list(dict.fromkeys(cell.data for cell in self.cells))


def read_study(folder: Path) -> Study:
    """Read a study; a DataError where its files are not as `mcqa study` writes them."""
    try:
        grid = make_grid(_json(inside(folder, GRID)), str(folder / GRID))
        cells, kept, conditions = grid.cells(), {}, []
        for cell in cells:
            path = inside(folder, f"{CELLS}/{cell.name}/{CELL}")
            if path.is_file() and (found := _json(path))["cost"]:
                kept[cell.name] = found
        if (path := inside(folder, RESULTS)).is_file() and len(kept) == len(cells):
            costs = {name: found["cost"] for name, found in kept.items()}
            conditions = describe_conditions(_json(path)["conditions"], cells, costs)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise _unfit(folder, error) from error
    done = [cell for cell in cells if cell.name in kept]
    return Study(folder, grid, done, kept, conditions)


def first_screen(study: Study) -> Sequence[Text]:
    """Return the verdicts as the study's page has them first, or how far it is."""
    if not study.conditions:
        told = NOT_DONE.format(len(study.cells), len(study.grid.cells()))
        return [Text(f"{told}.", "finding")]
    try:
        return study_sections(study.conditions, [], {}, [], {}, {})[0].blocks
    except (KeyError, TypeError) as error:
        raise _unfit(study.folder, error) from error


def arm_rows(study: Study) -> dict[str, list[dict]]:
    """Return what the charts show, by data set and model: a row per arm and training size.

    `low` and `high` are None where too few seeds give no interval.
    """
    charts: dict[str, list[dict]] = {}
    several = len({condition["model"] for condition in study.conditions}) > 1
    for condition in sorted(study.conditions, key=lambda each: each["size"] or float("inf")):
        about = condition["data"] + (f", {condition['model']}" if several else "")
        for arm in condition["arms"]:
            found = arm["accuracy"]
            low, high = found["ci95"] or (None, None)
            row = {"run": arm["name"], "size": _size(condition["size"]), "low": low, "high": high}
            row |= {"accuracy": found["value"], "n": condition["n_questions"]}
            row |= {"seeds": len(arm["seeds"]), "each seed": found["per_seed"]}
            charts.setdefault(about, []).append(row)
    return charts


def arm_table(rows: Sequence[Mapping]) -> list[list[str]]:
    """Return the numbers of a chart's rows as text: arm and size, accuracy, that of each seed."""
    return [
        [
            f"{row['run']}, {row['size']} training questions",
            format_accuracy(
                row["accuracy"], None if row["low"] is None else (row["low"], row["high"])
            ),
            ", ".join(map(format_accuracy, row["each seed"])),
        ]
        for row in rows
    ]


def record_of(study: Study, data: str) -> tuple[Record, str]:
    """Return the finished cells of a data set as an evaluation, and what is to be said of it.

    Raises:
        DataError: their answers cannot be read, or are not to the same questions.
    """
    evaluations = [_evaluation(study, cell) for cell in study.cells if cell.data == data]
    asked = {tuple(prediction.id for prediction in e.predictions) for e in evaluations}
    if len(asked) > 1:
        told = ValueError("its cells answer different questions")
        raise _unfit(study.folder, told)
    questions = _questions(study, data)
    note = "" if questions else NO_TEXTS
    return Record(study.grid.title, {}, evaluations, questions), note


def _evaluation(study: Study, cell: Cell) -> Evaluation:
    folder = inside(study.folder, f"{CELLS}/{cell.name}")
    predictions = read_predictions(inside(folder, PREDICTIONS))
    try:
        metrics = _json(inside(folder, METRICS))
    except (OSError, ValueError) as error:
        raise _unfit(folder, error) from error
    scorer = predictions[0].scorer if predictions else ""
    held = scorer, "", predictions, metrics, None, Validation([], "")
    return Evaluation(cell.name, folder, *held)


def _questions(study: Study, data: str) -> list[Question]:
    """Return the test questions, none where they cannot be read or are not what was scored."""
    cell = next(cell for cell in study.cells if cell.data == data)
    try:
        questions = load_test(study.grid.data[data], cell.config(Path(".")))
        same = digest_questions(questions) == study.kept[cell.name]["work"]["test questions"]
    except (McqaError, OSError, KeyError, TypeError):
        return []
    return questions if same else []


def _size(size: int | None) -> str:
    return f"{size:,}" if size else "all"


def _json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _unfit(folder: Path, error: Exception) -> DataError:
    return DataError(
        f"{folder}: not what `mcqa study` writes ({type(error).__name__}: {error}). The same "
        "`mcqa study` command writes it anew."
    )
