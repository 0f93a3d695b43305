"""An evaluation's folder: what must be kept to draw its report again without scoring.

    evaluation.json     title, details, which questions, what was compared, and about each run
    questions.jsonl     the questions, for their texts and subjects
    predictions.jsonl   of each run, in its folder; beside it, where there are some, its
                        validation_predictions.jsonl and permutations.jsonl

The trap: the questions may not be yours to pass on. Delete `questions.jsonl` before you share such
a folder; the report is then drawn without subjects and without texts.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from mcqa.data.same import answer_key
from mcqa.errors import DataError, McqaError
from mcqa.evaluation.metrics import summarize
from mcqa.prediction import Prediction, read_predictions, write_predictions
from mcqa.question import Question
from mcqa.runs.trained import VALIDATION_FILE
from mcqa.scoring.orders import ORDERS_FILE, Orders, read_orders, write_orders
from mcqa.system.files import inside, write_json, write_rows

PREDICTIONS, METRICS = "predictions.jsonl", "metrics.json"  # of each run
RECORD, QUESTIONS, COMPARISON = "evaluation.json", "questions.jsonl", "comparison.json"
RETENTION, FORGOTTEN, GAINED = "retention.json", "forgotten.jsonl", "gained.jsonl"
OF_ALL = (RECORD, QUESTIONS, RETENTION, FORGOTTEN, GAINED)
OF_A_RUN = ("name", "scorer", "template", "context", "commit", "cost", "work")
OF_A_RUN += ("trained_on", "settings")


class Validation(NamedTuple):
    """Hold answers to questions that are not evaluated, and which these are, or why none."""

    predictions: list[Prediction]
    note: str


@dataclass(frozen=True)
class Evaluation:
    """Hold what one scorer answered, in the questions' order, and what that cost.

    Args:
        metrics: see `mcqa.evaluation.metrics.summarize`.
        cost: see `mcqa.evaluating.evaluate.COST`; None if untrained.
        commit: of the Hub model that was scored or tuned.
        work: see `mcqa.scoring.partial.describe_work`; None in old folders, as is `Record.data`.
        trained_on: the ids of the evaluated questions that it was trained on, `exact`ly and `near`;
            None where that is not known.
        settings: of its training, see `mcqa.evaluating.evaluate.SETTINGS`; None if untrained.
    """

    name: str
    folder: Path
    scorer: str
    template: str
    predictions: list[Prediction]
    metrics: dict
    cost: dict | None
    validation: Validation
    orders: Orders | None = None
    context: str = "data"
    commit: str | None = None
    work: dict | None = None
    trained_on: dict[str, list[str]] | None = None
    settings: dict | None = None


@dataclass
class Record:
    """Hold what a report is drawn from.

    Args:
        title, details: see `mcqa.report.page.write_report`.
        questions: none where they are not known.
        data: their `source`, `split`, `n`, `sha256` and `commit`, as of a run's training set.
        compared: the names of the evaluations to compare; by default all.
        baseline: the one of them to compare the others with; by default every pair is compared.
        clusters: see `mcqa.evaluating.clusters.clusters_of`.
    """

    title: str
    details: dict[str, str]
    evaluations: Sequence[Evaluation]
    questions: Sequence[Question]
    data: dict | None = None
    compared: Sequence[str] | None = None
    baseline: str | None = None
    clusters: Mapping[str, str | None] | None = None

    def __post_init__(self):
        if self.compared is None:
            self.compared = [evaluation.name for evaluation in self.evaluations]


def write_answers(evaluation: Evaluation) -> None:
    """Write what a run answered; what an earlier one answered is replaced."""
    folder, validated = evaluation.folder, evaluation.validation.predictions
    (folder / ORDERS_FILE).unlink(missing_ok=True)
    write_predictions(folder / PREDICTIONS, evaluation.predictions)
    if validated:
        write_predictions(folder / VALIDATION_FILE, validated)
    else:
        (folder / VALIDATION_FILE).unlink(missing_ok=True)
    write_json(folder / METRICS, evaluation.metrics)
    if evaluation.orders:
        write_orders(folder, evaluation.orders)


def write_record(folder: Path, record: Record) -> None:
    """Write `evaluation.json` and `questions.jsonl`; the runs' own files are there already."""
    runs = [
        {
            **{name: getattr(evaluation, name) for name in OF_A_RUN},
            "folder": evaluation.folder.relative_to(folder).as_posix(),
            "seconds": evaluation.metrics["seconds"],
            "peak_memory_bytes": evaluation.metrics["peak_memory_bytes"],
            "permutations": evaluation.orders and evaluation.orders.settings,
            "validation": evaluation.validation.note,
        }
        for evaluation in record.evaluations
    ]
    write_rows(folder / QUESTIONS, map(asdict, record.questions))
    kept = {name: getattr(record, name) for name in ("title", "details", "data")}
    compared = {"compared": list(record.compared), "clusters": record.clusters}
    compared |= {"baseline": record.baseline}
    write_json(folder / RECORD, {**kept, "runs": runs, **compared})


def read_record(folder: Path) -> Record:
    """Read what `write_record` and the scoring left in a folder.

    Raises:
        DataError: a file is missing, or is not what it should be.
        ConfigError: a file is a link to elsewhere, which would be shown in the report.
    """
    path = inside(folder, RECORD)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        evaluations = [_read_run(folder, run) for run in kept["runs"]]
        by_name = {evaluation.name: evaluation for evaluation in evaluations}
        record = Record(
            kept["title"],
            dict(kept["details"]),
            evaluations,
            _read_questions(inside(folder, QUESTIONS)),
            data=kept.get("data"),
            compared=[by_name[name].name for name in kept["compared"]],
            baseline=kept.get("baseline"),
            clusters=kept["clusters"],
        )
        _check_answered(record)
        return record
    except McqaError:
        raise
    except FileNotFoundError as error:
        raise DataError(
            f"{folder}: no {RECORD} in it. Name a folder that `mcqa evaluate` or `mcqa demo` "
            "wrote; where an older version did, evaluate again."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not what `mcqa evaluate` writes ({type(error).__name__}: {error}). "
            "Evaluate again."
        ) from error


def _read_run(folder: Path, run: dict) -> Evaluation:
    place = folder / run["folder"]
    if not place.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"{folder / RECORD}: the run {run['name']!r} is in {run['folder']!r}, outside of the "
            "evaluation's folder, where nothing may be written. Evaluate again."
        )
    answers, held_out, _ = (inside(place, n) for n in (PREDICTIONS, VALIDATION_FILE, ORDERS_FILE))
    predictions, orders = read_predictions(answers), run.get("permutations")
    validated = read_predictions(held_out) if held_out.is_file() else []
    return Evaluation(
        **{name: run[name] for name in OF_A_RUN if name in run},
        folder=place,
        predictions=predictions,
        metrics=summarize(predictions, run["seconds"], run.get("peak_memory_bytes")),
        validation=Validation(validated, run.get("validation", "")),
        orders=orders and read_orders(place, predictions, orders),
    )


def _read_questions(path: Path) -> list[Question]:
    """Return the questions, none where their file was taken away."""
    if not path.is_file():
        return []
    questions = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                questions.append(Question(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise DataError(
                    f"{path}, line {number}: not a question as `mcqa evaluate` writes it "
                    f"({error}). Evaluate again, or delete the file to do without it."
                ) from error
    return questions


def _check_answered(record: Record) -> None:
    """Refuse runs that do not answer the same questions, before anything is replaced."""
    asked = Counter(map(answer_key, record.questions))
    for evaluation in record.evaluations:
        answered = Counter(map(answer_key, evaluation.predictions))
        asked = asked or answered
        differing = (asked - answered) + (answered - asked)
        if differing:
            id, _ = next(iter(differing))
            raise DataError(
                f"{evaluation.folder / PREDICTIONS}: its {answered.total():,} answers are not "
                f"those to the {asked.total():,} questions of this evaluation; question {id!r} is "
                "missing, there twice, or has another label. Evaluate again."
            )
