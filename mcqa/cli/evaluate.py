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
@revision_options(models="models", data="data")
@options(data_options, validation_options, scoring_options)
@cluster_option
@click.option(
    "--permutations",
    "kind_of_orders",
    metavar="cyclic|all|K",
    help="Ask again with the options in other orders: every rotation, every order (up to 6 "
    "options), or K orders drawn with --seed.",
)
@click.option("--output", default="runs/evaluation", show_default=True, help="Folder to write.")
@overwrite_option
@format_option
def command(
    models,
    data,
    reading,
    validation,
    scorer,
    examples,
    context,
    cluster_by,
    kind_of_orders,
    output,
    output_format,
    **settings,
):
    """Score the questions of DATA with every MODEL and compare them, paired.

    Writes predictions.jsonl and metrics.json (in a folder per model where there are several),
    comparison.json, per_question.csv, report.html, and report.md with its plots. Calibration is
    told before and after a temperature, fitted on the validation questions given here or on those
    of a run's training; on the same questions pairs of models are combined. With --permutations
    also permutations.jsonl, and how many answers change with the order.
    Stopped by whatever, the same command goes on with what is answered already. Finished results
    are replaced with --overwrite alone.

    \b
    mcqa evaluate --model smollm2-135m:text --data bundled --output runs/base
    mcqa evaluate --model runs/demo/generative --model runs/demo/multiple_choice --data bundled
    mcqa evaluate --model smollm2-135m:letter --data bundled --permutations cyclic --output runs/o
    """
    from mcqa.evaluating.clusters import clusters_of
    from mcqa.evaluating.evaluate import ModelSpec
    from mcqa.evaluating.folder import Record, write_record
    from mcqa.evaluating.output import evaluation_folder, finish
    from mcqa.evaluating.results import write_results
    from mcqa.scoring.orders import Plan

    held = evaluation_folder(output, overwrite=settings["overwrite"])
    folder = click.get_current_context().with_resource(held)
    questions, account = reading.load(data, folder)
    clusters = clusters_of(questions, cluster_by, source=data)
    held_out, held_out_note = validation.load(data, questions, reading)
    settings["shots"] = examples.load(reading)
    plan = None
    if kind_of_orders is not None:
        plan = Plan.of(kind_of_orders, questions, examples.seed)
    specs = [ModelSpec.parse(text, scorer) for text in models]
    # What is wrong with the last model shows before the first takes its time.
    settings |= context.settings([(spec.model, spec.scorer) for spec in specs], reading)
    evaluations = _evaluate_each(
        specs,
        questions,
        folder,
        plan=plan,
        validation_questions=held_out,
        validation_note=held_out_note,
        **settings,
    )
    kept, said = reading.record(data, questions, account)
    details = report_details(
        Models=", ".join(models),
        Data=said,
        **_told_contexts(evaluations),
        **({"Validation": held_out_note} if held_out else {}),
    )
    if not processes.is_main():
        return
    title = f"mcqa on {Path(data).name}"
    record = Record(title, details, evaluations, questions, data=kept, clusters=clusters)
    write_record(folder, record)
    comparisons = write_results(folder, record)
    finish(folder, evaluations)
    if output_format == "json":
        shown = list(map(_shown, evaluations))
        counts = {"questions": len(questions), **account.counts()}
        print_json({"models": shown, "comparisons": comparisons, "data": counts})
    else:
        print_evaluations(evaluations, comparisons)
    say(f"Results: {folder}   Page: {folder / 'report.html'}")


def _evaluate_each(specs, questions, folder, *, plan, validation_questions, **settings) -> list:
    """Return what each model answers, and say what is going on."""
    from mcqa.evaluating.evaluate import distinct_names, evaluate, folder_name
    from mcqa.evaluating.output import begin

    names = distinct_names(specs)
    places = list(map(folder_name, names)) if len(specs) > 1 else ["."]
    folders = begin(folder, places, overwrite=settings["overwrite"])
    say(f"Scoring {len(questions):,} questions with {len(specs)} model(s): {', '.join(names)}")
    if plan:
        say(f"Each model is asked in {plan.kind} orders: {plan}")
    scorings = (plan.scorings if plan else len(questions)) + len(validation_questions)
    evaluations = []
    for spec, name, place in zip(specs, names, folders, strict=True):
        with progress(scorings, name) as on_progress:
            evaluation = evaluate(
                spec,
                name,
                questions,
                place,
                on_progress=on_progress,
                announce=say,
                plan=plan,
                validation_questions=validation_questions,
                **settings,
            )
        validation = evaluation.validation
        say(f"{name}: {'calibrated on ' if validation.predictions else ''}{validation.note}")
        evaluations.append(evaluation)
    return evaluations


def _told_contexts(evaluations) -> dict[str, str]:
    """Return what a report says of contexts, nothing where all are the data's own."""
    from mcqa.retrieval.contexts import UPPER_BOUND

    told = [
        f"{evaluation.name}: {evaluation.context}"
        + (f" ({UPPER_BOUND})" if evaluation.context == "gold" else "")
        for evaluation in evaluations
    ]
    plain = all(evaluation.context == "data" for evaluation in evaluations)
    return {} if plain else {"Context": "; ".join(told)}


def _shown(evaluation) -> dict:
    """Return what is printed of an evaluation as JSON."""
    from mcqa.evaluating.results import written_metrics

    told = asdict(replace(evaluation, predictions=[], validation=None, orders=None))
    del told["orders"], told["work"]
    told["validation"] = evaluation.validation.note
    if evaluation.orders:
        told["permutations"] = written_metrics(evaluation)["permutations"]
    return {**told, "folder": str(evaluation.folder), "predictions": len(evaluation.predictions)}
