"""An evaluation's folder: what must be kept to draw its report again without scoring.

    evaluation.json     title, details, what was compared, and of each run its name, folder,
                        scorer, template, seconds, memory, cost and validation questions
    questions.jsonl     the questions, to show their texts and to count their subjects
    predictions.jsonl   of each run, in its folder; beside it validation_predictions.jsonl, what
                        it answered to validation questions, where that is known
    permutations.jsonl  likewise, where the options were shown in other orders too
    retention.json      with forgotten.jsonl and gained.jsonl, see `mcqa.evaluating.retention`

The trap: the questions may not be yours to pass on. Delete `questions.jsonl` before you share a
folder whose questions are not; the report is then drawn without subjects and without texts.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mcqa.data.same import answer_key
from mcqa.errors import DataError, McqaError
from mcqa.evaluation.metrics import summarize
from mcqa.prediction import Prediction, read_predictions, write_predictions
from mcqa.question import Question
from mcqa.runs.trained import VALIDATION_FILE
from mcqa.scoring.orders import PERMUTATIONS, Orders, read_orders
from mcqa.system.files import inside, write_json, write_whole

RECORD, QUESTIONS, PREDICTIONS = "evaluation.json", "questions.jsonl", "predictions.jsonl"
RETENTION, FORGOTTEN, GAINED = "retention.json", "forgotten.jsonl", "gained.jsonl"


@dataclass(frozen=True)
class Validation:
    """Hold what a run answered to other questions than those evaluated.

    Args:
        predictions: none where that is not known or must not be used.
        note: which questions they are, or why there are none.
    """

    predictions: list[Prediction]
    note: str


@dataclass(frozen=True)
class Evaluation:
    """Hold what one scorer answered, and what that cost.

    Args:
        name: how tables and folders call it.
        folder: where its `predictions.jsonl` and `metrics.json` are.
        scorer, template: names.
        context: what the questions got to read, see `mcqa.retrieval.contexts`.
        commit: of the Hub model that was asked or tuned, None where it is from elsewhere.
        predictions: one per question, in the questions' order.
        metrics: what `mcqa.evaluation.metrics.summarize` returns.
        cost: `trainable_parameters`, `training_seconds`, `training_memory_bytes`,
            `adapter_bytes`; None if untrained.
        validation: what temperature and combinations are fitted on.
        orders: the answers with the options in other orders, None where they were not asked for.
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


@dataclass(frozen=True)
class Record:
    """Hold what a report is drawn from.

    Args:
        title, details: see `mcqa.report.page.write_report`.
        evaluations: what to show.
        compared: the names of those to compare.
        clusters: see `mcqa.evaluation.comparison.compare`.
        questions: what was answered; none where they are not known.
    """

    title: str
    details: dict[str, str]
    evaluations: Sequence[Evaluation]
    compared: Sequence[str]
    clusters: Mapping[str, str] | None
    questions: Sequence[Question]


def write_record(folder: Path, record: Record) -> None:
    """Write `evaluation.json` and `questions.jsonl`; the runs' own files are there already."""
    runs = [
        {
            "name": evaluation.name,
            "folder": evaluation.folder.relative_to(folder).as_posix(),
            "scorer": evaluation.scorer,
            "template": evaluation.template,
            "context": evaluation.context,
            "commit": evaluation.commit,
            "seconds": evaluation.metrics["seconds"],
            "peak_memory_bytes": evaluation.metrics["peak_memory_bytes"],
            "cost": evaluation.cost,
            "permutations": evaluation.orders and evaluation.orders.settings,
            "validation": evaluation.validation.note,
        }
        for evaluation in record.evaluations
    ]
    rows = (json.dumps(asdict(question), ensure_ascii=False) for question in record.questions)
    write_whole(folder / QUESTIONS, "".join(row + "\n" for row in rows))
    kept = {
        "title": record.title,
        "details": record.details,
        "runs": runs,
        "compared": list(record.compared),
        "clusters": record.clusters,
    }
    write_json(folder / RECORD, kept)


def read_record(folder: Path) -> Record:
    """Read what `write_record` and the scoring left in a folder.

    Raises:
        DataError: there is no `evaluation.json`, a run's predictions are missing, or a file is
            not what it should be.
        ConfigError: a file is a link to elsewhere, which would be shown in the report.
    """
    path = inside(folder, RECORD)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        runs, compared = kept["runs"], kept["compared"]
        evaluations = [_read_run(folder, run) for run in runs]
        by_name = {evaluation.name: evaluation for evaluation in evaluations}
        record = Record(
            title=kept["title"],
            details=dict(kept["details"]),
            evaluations=evaluations,
            compared=[by_name[name].name for name in compared],
            clusters=kept["clusters"],
            questions=_read_questions(inside(folder, QUESTIONS)),
        )
        _check_answered(record)
        return record
    except FileNotFoundError as error:
        raise DataError(
            f"{folder}: no {RECORD} in it. Name a folder that `mcqa evaluate` or `mcqa demo` "
            "wrote; where an older version did, evaluate again."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, McqaError):
            raise
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
    for name in (PREDICTIONS, VALIDATION_FILE, PERMUTATIONS):
        inside(place, name)
    predictions = read_predictions(place / PREDICTIONS)
    orders = run.get("permutations")
    return Evaluation(
        name=run["name"],
        folder=place,
        scorer=run["scorer"],
        template=run["template"],
        predictions=predictions,
        metrics=summarize(predictions, run["seconds"], run.get("peak_memory_bytes")),
        cost=run["cost"],
        validation=_read_validation(place, run.get("validation", "")),
        orders=orders and read_orders(place, predictions, orders),
        context=run.get("context", "data"),
        commit=run.get("commit"),
    )


def write_answers(folder: Path, predictions: Sequence[Prediction], validation: Validation) -> None:
    """Write what a run answered; what an earlier one answered is replaced."""
    write_predictions(folder / PREDICTIONS, predictions)
    if validation.predictions:
        write_predictions(folder / VALIDATION_FILE, validation.predictions)
    else:
        (folder / VALIDATION_FILE).unlink(missing_ok=True)


def _read_validation(folder: Path, note: str) -> Validation:
    path = folder / VALIDATION_FILE
    return Validation(read_predictions(path) if path.is_file() else [], note)


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
