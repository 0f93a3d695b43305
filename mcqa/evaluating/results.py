"""Write all that an evaluation says: numbers for machines, tables, and the report for people."""

import json
from collections.abc import Sequence
from pathlib import Path

from mcqa.evaluating.analysis import compare_runs, describe, one_sided, per_question
from mcqa.evaluating.folder import METRICS, Evaluation, Record, read_record
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.fitting import describe_calibration, fit_temperature
from mcqa.evaluation.pairing import align
from mcqa.prompting.prompts import get_template
from mcqa.report.figures import draw_figures
from mcqa.report.orders import order_sentence
from mcqa.report.page import PLOTS, write_report
from mcqa.scoring.orders import describe_run_orders
from mcqa.system.files import inside, write_json, write_whole

COMPARISON, ACCURACY = "comparison.json", "accuracy.svg"
PER_QUESTION, PAGE, TEXT = "per_question.csv", "report.html", "report.md"
WRITTEN = (COMPARISON, ACCURACY, PER_QUESTION, PAGE, TEXT)


def write_results(folder: Path, record: Record, *, texts: bool = True) -> list[dict]:
    """Write an evaluation's numbers and its report; what an earlier one left is replaced.

    Args:
        folder: the runs' folders are in it, or are it.
        texts: whether the report shows questions that only one run gets right.

    Returns:
        The comparisons, none for a single evaluation or where a question has no label.
    """
    old = inside(folder, PLOTS).glob("*.svg")
    for path in (folder / COMPARISON, folder / ACCURACY, *old):
        path.unlink(missing_ok=True)
    evaluations = record.evaluations
    runs = [_described(evaluation, record) for evaluation in evaluations]
    for evaluation, run in zip(evaluations, runs, strict=True):
        write_json(evaluation.folder / METRICS, run["metrics"])
    predictions = {evaluation.name: evaluation.predictions for evaluation in evaluations}
    questions = {question.id: question for question in record.questions}
    write_whole(folder / PER_QUESTION, per_question(predictions, questions))
    labelled = not any(evaluation.metrics["unlabelled"] for evaluation in evaluations)
    plots, comparisons, answers = draw_figures(runs), [], {}
    if len(set(record.compared)) > 1 and labelled:
        answers = align({name: predictions[name] for name in record.compared})
        validation = {e.name: e.validation.predictions for e in evaluations}
        comparisons = compare_runs(answers, clusters=record.clusters, validation=validation)
        write_comparisons(folder, comparisons)
        write_whole(folder / ACCURACY, plots["accuracy"])
    pairs = [(answers[c["a"]["name"]], answers[c["b"]["name"]]) for c in comparisons]
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
    orders = {evaluation.name: written_orders(evaluation) for evaluation in evaluations}
    return [order_sentence(name, described) for name, described in orders.items() if described]


def written_orders(evaluation: Evaluation) -> dict | None:
    """Return the `permutations` that `write_results` wrote to a run's `metrics.json`, if any."""
    written = json.loads((evaluation.folder / METRICS).read_text(encoding="utf-8"))
    return written.get("permutations")


def write_comparisons(folder: Path, comparisons: Sequence[dict]) -> Path:
    """Write `comparison.json`: the first comparison, further ones as its `others`."""
    first, *others = comparisons
    return write_json(folder / COMPARISON, first | ({"others": others} if others else {}))


def describe_temperature(evaluation: Evaluation) -> dict:
    """Return the `calibration` of a run's `metrics.json`.

    That is `temperature`, None without validation questions, and their `note`. With a temperature
    also `fitted` (`n`, `at_bound`) and what `describe_calibration` says of the evaluated questions.
    """
    validated, note = evaluation.validation
    if not validated:
        return {"temperature": None, "note": note}
    fitted = fit_temperature(Answers.of(validated))
    temperature = fitted.pop("temperature")
    described = describe_calibration(Answers.of(evaluation.predictions), temperature)
    return {"temperature": temperature, "note": note, "fitted": fitted, **described}


def _described(evaluation: Evaluation, record: Record) -> dict:
    """Return a run as the report takes it."""
    answered, orders = evaluation.predictions, evaluation.orders
    measured = (evaluation.metrics[key] for key in ("seconds", "peak_memory_bytes"))
    metrics = describe(answered, record.questions, *measured)
    if metrics["n"]:
        metrics["calibration"] = describe_temperature(evaluation)
    if orders:
        how = {"listed": get_template(evaluation.template).lists_options}
        how["scorer"] = evaluation.scorer
        metrics["permutations"] = describe_run_orders(orders, answered, **how)
    kept = {name: getattr(evaluation, name) for name in ("name", "scorer", "template")}
    return {**kept, "metrics": metrics, "cost": evaluation.cost}
