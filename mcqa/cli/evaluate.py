"""`mcqa evaluate`: several models on the same questions, and a fair comparison."""

from dataclasses import asdict, replace
from pathlib import Path

import click

from mcqa.cli.common import (
    cluster_option,
    format_option,
    overwrite_option,
    print_evaluations,
    print_json,
    progress,
    report_details,
    say,
)
from mcqa.cli.inputs import data_options, options, scoring_options, validation_options
from mcqa.cli.revisions import revision_options
from mcqa.system import processes


@click.command("evaluate")
@click.option(
    "--model",
    "models",
    required=True,
    multiple=True,
    help="Model, or MODEL:SCORER; repeat it to compare.",
)
@revision_options("models")
@options(data_options, validation_options, scoring_options)
@cluster_option
@click.option(
    "--permutations",
    "kind_of_orders",
    metavar="cyclic|all|K",
    help="Score the options in other orders too: every rotation, every order (up to 6 options), "
    "or K orders drawn with --seed.",
)
@click.option("--output", default="runs/evaluation", help="Folder to write.")
@overwrite_option
@format_option
def command(
    models, data, reading, validation, scoring, cluster_by, kind_of_orders, output_format, **where
):
    """Score the questions of DATA with every MODEL and compare them, paired.

    Writes predictions.jsonl and metrics.json (in a folder per model where there are several),
    comparison.json, per_question.csv, report.html, and report.md with its plots. Calibration is
    reported before and after a temperature, fitted on the validation questions given here or on
    those of a run's training; on the same questions pairs of models are combined. With
    --permutations also permutations.jsonl, and how many answers change with the order.
    If it is stopped, the same command continues from the answers already there. Finished results
    are replaced only with --overwrite.

    \b
    mcqa evaluate --model smollm2-135m:text --data bundled --output runs/base
    mcqa evaluate --model runs/demo/generative --model runs/demo/multiple_choice --data bundled
    mcqa evaluate --model smollm2-135m:letter --data bundled --permutations cyclic --output runs/o
    """
    from mcqa.data import source_name
    from mcqa.evaluating.clusters import clusters_of
    from mcqa.evaluating.evaluate import ModelSpec
    from mcqa.evaluating.folder import Record, write_record
    from mcqa.evaluating.output import evaluation_folder, finish
    from mcqa.evaluating.results import write_results
    from mcqa.scoring.orders import Plan

    held = evaluation_folder(where["output"], overwrite=where["overwrite"])
    folder = click.get_current_context().with_resource(held)
    questions, account = reading.load(data, folder)
    scoring.announce_orders(questions)
    clusters = clusters_of(questions, cluster_by, source=data)
    held_out, held_out_note = validation.load(data, questions, reading)
    plan = None
    if kind_of_orders is not None:
        plan = Plan.of(kind_of_orders, questions, scoring.examples.seed)
    specs = [ModelSpec.parse(text, scoring.scorer) for text in models]
    # What is wrong with the last model shows before the first takes its time.
    settings = scoring.settings(specs, reading)
    settings |= {"validation_questions": held_out, "validation_note": held_out_note}
    settings |= {"batch_size": scoring.batch_size, "overwrite": where["overwrite"]}
    evaluations = _evaluate_each(specs, questions, folder, plan, **settings)
    kept, described = reading.record(data, questions, account)
    details = report_details(
        Models=", ".join(models),
        Data=described,
        **_contexts(evaluations),
        **({"Scores": f"means over {scoring.orders} orders"} if scoring.average else {}),
        **({"Validation": held_out_note} if held_out else {}),
    )
    if not processes.is_main():
        return
    title = f"mcqa on {Path(source_name(data)).name}"
    record = Record(title, details, evaluations, questions, data=kept, clusters=clusters)
    write_record(folder, record)
    comparisons = write_results(folder, record)
    finish(folder, evaluations)
    if output_format == "json":
        counts = {"questions": len(questions), **account.counts()}
        models = list(map(_as_json, evaluations))
        print_json({"models": models, "comparisons": comparisons, "data": counts})
    else:
        print_evaluations(evaluations, comparisons)
    say(f"Results: {folder}   Page: {folder / 'report.html'}")


def _evaluate_each(specs, questions, folder, plan, **settings) -> list:
    from mcqa.evaluating.evaluate import distinct_names, evaluate, folder_name
    from mcqa.evaluating.output import begin

    names = distinct_names(specs)
    places = list(map(folder_name, names)) if len(specs) > 1 else ["."]
    folders = begin(folder, places, overwrite=settings["overwrite"])
    say(f"Scoring {len(questions):,} questions with {len(specs)} model(s): {', '.join(names)}")
    if plan:
        say(f"Each model is scored in {plan.kind} orders: {plan}")
    scorings = plan.scorings if plan else len(questions)
    scorings += len(settings["validation_questions"])
    how = settings | {"plan": plan, "announce": say}
    evaluations = []
    for spec, name, place in zip(specs, names, folders, strict=True):
        with progress(scorings, name) as on_progress:
            evaluation = evaluate(spec, name, questions, place, on_progress=on_progress, **how)
        validation = evaluation.validation
        say(f"{name}: {'calibrated on ' if validation.predictions else ''}{validation.note}")
        evaluations.append(evaluation)
    return evaluations


def _contexts(evaluations) -> dict[str, str]:
    """Return what a report says of contexts, nothing where all are the data's own."""
    from mcqa.retrieval.contexts import UPPER_BOUND

    if all(evaluation.context == "data" for evaluation in evaluations):
        return {}
    notes = {"gold": f" ({UPPER_BOUND})"}
    contexts = (f"{e.name}: {e.context}{notes.get(e.context, '')}" for e in evaluations)
    return {"Context": "; ".join(contexts)}


def _as_json(evaluation) -> dict:
    from mcqa.evaluating.results import written_orders

    row = asdict(replace(evaluation, predictions=[], validation=None, orders=None))
    del row["orders"], row["work"]
    row["validation"] = evaluation.validation.note
    if evaluation.orders:
        row["permutations"] = written_orders(evaluation)
    return {**row, "folder": str(evaluation.folder), "predictions": len(evaluation.predictions)}
