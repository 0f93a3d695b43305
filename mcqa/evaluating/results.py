"""Write all that an evaluation says: numbers for machines, tables, and the report for people."""

import itertools
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mcqa.evaluating.analysis import compare_kinds, describe, one_sided, per_question
from mcqa.evaluating.folder import COMPARISON, METRICS, Evaluation, Record, Validation, read_record
from mcqa.evaluation.clustered import share_of
from mcqa.evaluation.fitting import describe_calibration, fit_temperature
from mcqa.evaluation.groups import cluster_numbers
from mcqa.evaluation.metrics import split_kinds
from mcqa.evaluation.pairing import align_kinds
from mcqa.evaluation.sets import answers_of
from mcqa.evaluation.significance import holm
from mcqa.prediction import Prediction
from mcqa.prompting.prompts import get_template
from mcqa.report.figures import draw_figures
from mcqa.report.orders import order_sentence
from mcqa.report.page import PLOTS, write_report
from mcqa.scoring.orders import describe_run_orders
from mcqa.system.files import inside, write_json, write_whole

ACCURACY = "accuracy.svg"
PER_QUESTION, PAGE, TEXT = "per_question.csv", "report.html", "report.md"
WRITTEN = (COMPARISON, ACCURACY, PER_QUESTION, PAGE, TEXT)


def write_results(folder: Path, record: Record, *, texts: bool = True) -> list[dict]:
    """Write an evaluation's numbers and its report; what an earlier one left is replaced.

    Args:
        folder: the runs' folders are in it, or are it.
        texts: whether the report shows questions that only one run gets right.

    Returns:
        The comparisons over labelled questions, none for a single evaluation or without labels.
    """
    old = inside(folder, PLOTS).glob("*.svg")
    for path in (folder / COMPARISON, folder / ACCURACY, *old):
        path.unlink(missing_ok=True)
    evaluations = record.evaluations
    runs = [_described(evaluation, record) for evaluation in evaluations]
    _correct_pride(runs)
    for evaluation, run in zip(evaluations, runs, strict=True):
        write_json(evaluation.folder / METRICS, run["metrics"])
    predictions = {evaluation.name: evaluation.predictions for evaluation in evaluations}
    questions = {question.id: question for question in record.questions}
    write_whole(folder / PER_QUESTION, per_question(predictions, questions))
    labelled = all(e.metrics["n"] for e in evaluations if e.name in record.compared)
    plots, comparisons, answers = draw_figures(runs), [], {}
    if len(set(record.compared)) > 1 and labelled:
        answers = align_kinds({name: predictions[name] for name in record.compared})
        validation = {e.name: e.validation.predictions for e in evaluations}
        how = {"clusters": record.clusters, "baseline": record.baseline}
        comparisons = compare_kinds(answers, validation=validation, **how)
        write_comparisons(folder, comparisons)
        if "accuracy" in plots:  # of plain choices; those of each kind are among the plots
            write_whole(folder / ACCURACY, plots["accuracy"])
    pairs = [
        [answers[c.get("kind", Prediction.kind)][c[side]["name"]] for side in "ab"]
        for c in comparisons
    ]
    told = {"title": record.title, "details": record.details, "plots": plots}
    told |= {"runs": runs, "comparisons": comparisons}
    shows = [one_sided(a, b, questions) for a, b in pairs] if texts and questions else ()
    for name in (TEXT, PAGE):
        write_report(folder / name, examples=shows, **told)
    return comparisons


def redraw(folder: Path, *, texts: bool = True) -> tuple[Sequence[Evaluation], list[dict]]:
    """Compute and draw again, without scoring, what a folder says; errors as of `read_record`."""
    record = read_record(folder)
    return record.evaluations, write_results(folder, record, texts=texts)


def order_lines(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return a line on the options' order for each run that was scored in others, once written."""
    lines = []
    for evaluation in evaluations:
        for kind, described in split_kinds(written_metrics(evaluation)).items():
            if orders := described.get("permutations"):
                lines.append(f"{kind}: " * bool(kind) + order_sentence(evaluation.name, orders))
    return lines


def written_metrics(evaluation: Evaluation) -> dict:
    """Return what `write_results` wrote to a run's `metrics.json`."""
    return json.loads((evaluation.folder / METRICS).read_text(encoding="utf-8"))


def written_orders(evaluation: Evaluation) -> dict | None:
    """Return the `permutations` of a run's `metrics.json`, if any; of several kinds by kind."""
    kinds = split_kinds(written_metrics(evaluation))
    orders = {kind: described.get("permutations") for kind, described in kinds.items()}
    return orders[""] if "" in orders else {k: v for k, v in orders.items() if v} or None


def write_comparisons(folder: Path, comparisons: Sequence[dict]) -> Path:
    """Write `comparison.json`: the first comparison, further ones as its `others`.

    Of questions of other kinds than plain choices, `kinds` has the same of each.
    """
    if "kind" not in comparisons[0]:
        return write_json(folder / COMPARISON, _with_others(comparisons))
    kinds = {}
    for comparison in comparisons:
        rest = {key: value for key, value in comparison.items() if key != "kind"}
        kinds.setdefault(comparison["kind"], []).append(rest)
    found = {kind: _with_others(of_kind) for kind, of_kind in kinds.items()}
    return write_json(folder / COMPARISON, {"kinds": found})


def read_comparisons(folder: Path) -> list[dict]:
    """Return what `write_comparisons` wrote, as it was given; none where nothing was.

    Raises:
        OSError, ValueError, AttributeError: it is nothing of the kind.
    """
    path = inside(folder, COMPARISON)
    if not path.is_file():
        return []
    written = json.loads(path.read_text(encoding="utf-8"))
    kinds = written.get("kinds", {"": written})
    return [
        ({"kind": kind} if kind else {}) | found
        for kind, of_kind in kinds.items()
        for found in (of_kind, *of_kind.get("others", ()))
    ]


def _with_others(comparisons: Sequence[dict]) -> dict:
    first, *others = comparisons
    return first | ({"others": others} if others else {})


def describe_temperature(
    evaluation: Evaluation, clusters: Mapping[str, Hashable] | None = None
) -> dict:
    """Return the `calibration` of a run's `metrics.json`.

    That is `temperature`, None without validation questions, and their `note`. With a temperature
    also `fitted` (`n`, `at_bound`) and what `describe_calibration` says of the evaluated questions.
    """
    validated, note = evaluation.validation
    if not validated:
        return {"temperature": None, "note": note}
    fitted = fit_temperature(answers_of(validated))
    temperature = fitted.pop("temperature")
    answers = answers_of(evaluation.predictions)
    how = {"cluster_N": cluster_numbers(answers.ids, clusters)}
    described = describe_calibration(answers, temperature, **how)
    return {"temperature": temperature, "note": note, "fitted": fitted, **described}


def describe_trained_on(
    evaluation: Evaluation, clusters: Mapping[str, Hashable] | None = None
) -> dict:
    """Return how many answered questions a run was trained on, and its accuracy without them.

    `exact` and `near` count them; `without` is the accuracy over the other labelled questions, as
    `share_of` returns it, None where none is left.
    """
    known = {name: set(ids) for name, ids in evaluation.trained_on.items()}
    ids = [prediction.id for prediction in evaluation.predictions]
    counts = {name: sum(id in of for id in ids) for name, of in known.items()}
    trained = set().union(*known.values())
    rest = [p for p in evaluation.predictions if p.id not in trained and p.label is not None]
    right_N = np.array([p.correct for p in rest], dtype=bool)
    cluster_N = cluster_numbers([p.id for p in rest], clusters)
    return counts | {"without": share_of(right_N, cluster_N)}


def _described(evaluation: Evaluation, record: Record) -> dict:
    """Return a run as the report takes it."""
    measured = (evaluation.metrics[key] for key in ("seconds", "peak_memory_bytes"))
    asked = evaluation.predictions, record.questions
    metrics = describe(*asked, *measured, clusters=record.clusters)
    for kind, found in split_kinds(metrics).items():
        own = _of_kind(evaluation, kind) if kind else evaluation
        if found["n"]:
            found["calibration"] = describe_temperature(own, record.clusters)
        if own.orders:
            how = {"listed": get_template(own.template).lists_options, "scorer": own.scorer}
            how["clusters"] = record.clusters
            found["permutations"] = describe_run_orders(own.orders, own.predictions, **how)
        if evaluation.trained_on is not None:
            found["trained_on"] = describe_trained_on(own, record.clusters)
    names = ("name", "scorer", "template", "settings")
    kept = {name: getattr(evaluation, name) for name in names}
    return {**kept, "metrics": metrics, "cost": evaluation.cost}


def _correct_pride(runs: Sequence[dict]) -> None:
    """Correct the claims that PriDe changes something for how many runs it is claimed of."""
    described = [found for run in runs for found in split_kinds(run["metrics"]).values()]
    orders = [found.get("permutations") or {} for found in described]
    gains = [found["pride"]["difference"] for found in orders if "pride" in found]
    for gain, p_value in zip(gains, holm([gain["p_value"] for gain in gains]), strict=True):
        gain |= {"p_value_holm": p_value, "comparisons": len(gains)}


def _of_kind(evaluation: Evaluation, kind: str) -> Evaluation:
    """Return what a run answered to the questions of one kind."""
    own = [prediction.kind == kind for prediction in evaluation.predictions]
    validated, note = evaluation.validation
    validation = Validation([p for p in validated if p.kind == kind], note)
    if validated and not validation.predictions:
        validation = Validation([], f"No temperature is known: none of {note} is of this kind.")
    orders = evaluation.orders
    if orders:
        orders = replace(orders, answers=list(itertools.compress(orders.answers, own)))
        if all(len(answers) == 1 for answers in orders.answers):
            orders = None
    predictions = list(itertools.compress(evaluation.predictions, own))
    told = {"validation": validation, "orders": orders}
    return replace(evaluation, predictions=predictions, **told)
