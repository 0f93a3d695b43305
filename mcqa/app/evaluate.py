"""Score the same questions with one or more models, and compare them fairly."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcqa.checkpoints import read_record
from mcqa.evaluation.comparison import compare_many
from mcqa.evaluation.metrics import summarize
from mcqa.evaluation.predictions import Prediction, write_predictions
from mcqa.files import write_json
from mcqa.formulations import NAMES, get_formulation
from mcqa.question import Question
from mcqa.report import accuracy_figure, write_report
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


@dataclass(frozen=True)
class Evaluation:
    """Hold what one scorer answered, and what that cost.

    Args:
        name: how tables and folders call it.
        scorer, template: names.
        predictions: one per question, in the questions' order.
        metrics: what `mcqa.evaluation.metrics.summarize` returns.
        cost: `trainable_parameters`, `training_seconds`, `adapter_bytes`; None if untrained.
    """

    name: str
    scorer: str
    template: str
    predictions: list[Prediction]
    metrics: dict
    cost: dict | None


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


def evaluate(
    spec: ModelSpec,
    name: str,
    questions: Sequence[Question],
    folder: Path,
    *,
    batch_size: int = 16,
    on_progress: Callable[[int], None] | None = None,
    **settings,
) -> Evaluation:
    """Score questions with one model and write `predictions.jsonl` and `metrics.json`.

    Args:
        spec: model and scorer.
        name: what to call it.
        questions: what to answer.
        folder: where to write.
        batch_size, on_progress: see `Scorer.score_many`.
        settings: passed on to `mcqa.load_scorer`; how to read answers only to `generate`.
    """
    if spec.scorer != "generate":
        settings = {k: v for k, v in settings.items() if k not in ("parser", "fallback")}
    scorer = load_scorer(spec.model, spec.scorer, **settings)
    predictions, seconds = score_timed(scorer, questions, batch_size, on_progress)
    metrics = summarize(predictions, seconds)
    write_predictions(folder / "predictions.jsonl", predictions)
    write_json(folder / "metrics.json", metrics)
    return Evaluation(name, scorer.name, scorer.template, predictions, metrics, _cost(spec.model))


def _cost(model: str) -> dict | None:
    if not (Path(model) / "run.json").is_file():
        return None
    record = read_record(model)
    return {
        "trainable_parameters": record["trainable_parameters"],
        "training_seconds": record["seconds"],
        "adapter_bytes": record["adapter_bytes"],
    }


def compare_evaluations(
    evaluations: Sequence[Evaluation],
    folder: Path,
    *,
    title: str,
    details: dict[str, str],
    compared: Sequence[Evaluation] | None = None,
    clusters: Mapping[str, str] | None = None,
) -> list[dict]:
    """Compare every pair, and write `comparison.json`, `accuracy.svg` and `report.html`.

    `comparison.json` is the comparison of the first two; those of further pairs are its `others`.

    Args:
        evaluations: what to show.
        folder: where to write.
        title, details: see `mcqa.report.write_report`.
        compared: which of them to compare; by default all.
        clusters: see `mcqa.evaluation.comparison.compare`.

    Returns:
        The comparisons, none for a single evaluation or where a question has no label.
    """
    runs = [
        {
            "name": evaluation.name,
            "scorer": evaluation.scorer,
            "template": evaluation.template,
            "metrics": evaluation.metrics,
            "cost": evaluation.cost,
        }
        for evaluation in evaluations
    ]
    for name in ("comparison.json", "accuracy.svg"):
        (folder / name).unlink(missing_ok=True)
    comparisons = []
    labelled = all(evaluation.metrics["unlabelled"] == 0 for evaluation in evaluations)
    if len(evaluations) > 1 and labelled:
        compared = {e.name: e.predictions for e in compared or evaluations}
        comparisons = compare_many(compared, clusters=clusters)
        write_comparisons(folder, comparisons)
        accuracy_figure(runs, folder / "accuracy.svg")
    write_report(
        folder / "report.html", title=title, runs=runs, comparisons=comparisons, details=details
    )
    return comparisons


def write_comparisons(folder: Path, comparisons: Sequence[dict]) -> Path:
    """Write `comparison.json`: the first comparison, further ones as its `others`."""
    first, *others = comparisons
    return write_json(folder / "comparison.json", first | ({"others": others} if others else {}))


def distinct_names(specs: Sequence[ModelSpec]) -> list[str]:
    """Return a short name per model: the last part of its path, with more where that repeats.

    >>> distinct_names([ModelSpec("runs/a/head"), ModelSpec("smollm2-135m", "text")])
    ['head', 'smollm2-135m text']
    """
    paths = [Path(spec.model) for spec in specs]
    paths = [path if path.name else path.absolute() for path in paths]
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
