"""Score the same questions with one or more models, and compare them fairly."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcqa import checkpoints
from mcqa.app.folder import Evaluation, Record, Validation, write_answers, write_record
from mcqa.app.orders import (
    PERMUTATIONS,
    OrderedAnswer,
    Orders,
    Plan,
    mapped_back,
    reorder,
    write_orders,
)
from mcqa.app.results import METRICS, write_results
from mcqa.app.validation import UNSCORED, own_validation
from mcqa.evaluation.metrics import summarize
from mcqa.evaluation.predictions import Prediction
from mcqa.files import write_json
from mcqa.formulations import NAMES, get_formulation
from mcqa.memory import PeakMemory
from mcqa.question import Question
from mcqa.scoring import Scorer, load_scorer


@dataclass(frozen=True)
class ModelSpec:
    """Name a model and, where wanted, the scorer to use with it."""

    model: str
    scorer: str | None = None

    @classmethod
    def parse(cls, text: str, scorer: str | None = None) -> "ModelSpec":
        """Read `MODEL` or `MODEL:SCORER`; `scorer` is used where the text names none."""
        model, colon, named = text.rpartition(":")
        if colon and any(named in get_formulation(name).SCORERS for name in NAMES):
            return cls(model, named)
        return cls(text, scorer)


def score_timed(
    scorer: Scorer,
    questions: Sequence[Question],
    batch_size: int,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[list[Prediction], float]:
    """Score questions and return their predictions and the seconds that took."""
    started = time.perf_counter()
    predictions = scorer.score_many(questions, batch_size, on_progress)
    return predictions, time.perf_counter() - started


def score_orders(
    scorer: Scorer,
    questions: Sequence[Question],
    predictions: Sequence[Prediction],
    plan: Plan,
    batch_size: int,
    on_progress: Callable[[int], None] | None = None,
) -> Orders:
    """Score each question in all its orders but the original one.

    Each pass has the batches of the first one, as far as it asks the same questions. So where the
    prompt does not list the options, every score must come out the same to the last bit.

    Args:
        scorer: what answers.
        questions: what to ask.
        predictions: its answers in the original order, one per question.
        plan: the orders.
        batch_size, on_progress: see `Scorer.score_many`.
    """
    started = time.perf_counter()
    answers = [
        [OrderedAnswer(p.id, orders[0], p.scores, p.choice)]
        for p, orders in zip(predictions, plan.orders, strict=True)
    ]
    for nth in range(1, max(map(len, plan.orders), default=0)):
        places = [place for place, orders in enumerate(plan.orders) if nth < len(orders)]
        asked = [reorder(questions[place], plan.orders[place][nth]) for place in places]
        results = scorer.score_many(asked, batch_size, on_progress)
        for place, result in zip(places, results, strict=True):
            answers[place].append(mapped_back(result, plan.orders[place][nth]))
    return Orders(plan.kind, plan.seed, time.perf_counter() - started, answers)


def evaluate(
    spec: ModelSpec,
    name: str,
    questions: Sequence[Question],
    folder: Path,
    *,
    batch_size: int = 16,
    on_progress: Callable[[int], None] | None = None,
    plan: Plan | None = None,
    validation_questions: Sequence[Question] = (),
    validation_note: str = "",
    **settings,
) -> Evaluation:
    """Score questions with one model, and write its predictions and `metrics.json`.

    With a plan also `permutations.jsonl`; without, one that was left there is taken away.

    Args:
        spec: model and scorer.
        name: what to call it.
        questions: what to answer.
        folder: where to write.
        batch_size, on_progress: see `Scorer.score_many`.
        plan: the orders of their options in which to ask them; None for their own alone.
        validation_questions: what to score besides, neither timed nor counted; without any a
            run's own validation questions take their place.
        validation_note: which questions they are, in words.
        settings: passed on to `mcqa.load_scorer`; how to read answers only to `generate`.
    """
    if spec.scorer != "generate":
        settings = {k: v for k, v in settings.items() if k not in ("parser", "fallback")}
    scorer = load_scorer(spec.model, spec.scorer, **settings)
    memory = PeakMemory(str(scorer.model.device))
    predictions, seconds = score_timed(scorer, questions, batch_size, on_progress)
    metrics = summarize(predictions, seconds, memory.bytes)
    if not any(prediction.scores for prediction in predictions):
        validation = Validation([], UNSCORED)
    elif validation_questions:
        answered = scorer.score_many(validation_questions, batch_size, on_progress)
        validation = Validation(answered, validation_note)
    else:
        validation = own_validation(spec.model, scorer, predictions)
    (folder / PERMUTATIONS).unlink(missing_ok=True)
    write_answers(folder, predictions, validation)
    write_json(folder / METRICS, metrics)
    orders = None
    if plan:
        orders = score_orders(scorer, questions, predictions, plan, batch_size, on_progress)
        write_orders(folder, orders)
    return Evaluation(
        name=name,
        folder=folder,
        scorer=scorer.name,
        template=scorer.template,
        predictions=predictions,
        metrics=metrics,
        cost=_cost(spec.model),
        validation=validation,
        orders=orders,
    )


def _cost(model: str) -> dict | None:
    if not (Path(model) / "run.json").is_file():
        return None
    record = checkpoints.read_record(model)
    return {
        "trainable_parameters": record.get("trainable_parameters"),
        "training_seconds": record.get("seconds"),
        "training_memory_bytes": record.get("peak_memory_bytes"),
        "adapter_bytes": record.get("adapter_bytes"),
    }


def compare_evaluations(
    evaluations: Sequence[Evaluation],
    folder: Path,
    *,
    title: str,
    details: dict[str, str],
    questions: Sequence[Question],
    compared: Sequence[Evaluation] | None = None,
    clusters: Mapping[str, str] | None = None,
) -> list[dict]:
    """Compare every pair, and write what `mcqa.app.results.write_results` writes.

    Args:
        evaluations: what to show; their folders are in `folder`, or are it.
        folder: where to write.
        title, details: see `mcqa.report.write_report`.
        questions: what was answered.
        compared: which of them to compare; by default all.
        clusters: see `mcqa.evaluation.comparison.compare`.

    Returns:
        The comparisons, none for a single evaluation or where a question has no label.
    """
    record = Record(
        title=title,
        details=details,
        evaluations=evaluations,
        compared=[evaluation.name for evaluation in compared or evaluations],
        clusters=clusters,
        questions=questions,
    )
    write_record(folder, record)
    return write_results(folder, record)


def distinct_names(specs: Sequence[ModelSpec]) -> list[str]:
    """Return a short name per model: the last part of its path, with more where that repeats.

    >>> distinct_names([ModelSpec("runs/a/head"), ModelSpec("smollm2-135m", "text")])
    ['head', 'smollm2-135m text']
    """
    paths = [Path(spec.model) for spec in specs]
    paths = [path if path.name not in ("", "..") else path.resolve() for path in paths]
    scorers = [f" {spec.scorer}" if spec.scorer else "" for spec in specs]
    names = [path.name + scorer for path, scorer in zip(paths, scorers, strict=True)]
    if len(set(map(folder_name, names))) < len(names):
        whole = ["-".join(path.parts).strip("-/.") for path in paths]
        names = [name + scorer for name, scorer in zip(whole, scorers, strict=True)]
    taken = [folder_name(name) for name in names]
    return [f"{n} {i + 1}" if taken[i] in taken[:i] else n for i, n in enumerate(names)]


def folder_name(name: str) -> str:
    """Return the folder that a model of this name is written to."""
    return name.replace(" ", "-").replace("/", "-")
