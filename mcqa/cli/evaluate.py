"""`mcqa evaluate`: several models on the same questions, and a fair comparison."""

from dataclasses import asdict, replace
from pathlib import Path

import click

from mcqa import distributed
from mcqa.cli.common import (
    cluster_option,
    data_options,
    draw_shots,
    draw_validation,
    find_passages,
    format_option,
    gather_reading,
    load_data,
    options,
    overwrite_option,
    print_evaluations,
    print_json,
    progress,
    report_details,
    say,
    scoring_options,
    validation_options,
)


@click.command("evaluate")
@click.option(
    "--model",
    "models",
    required=True,
    multiple=True,
    help="Model, or MODEL:SCORER; repeat it to compare.",
)
@options(data_options, validation_options, scoring_options)
@cluster_option
@click.option(
    "--permutations",
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
    split,
    limit,
    data_format,
    label_base,
    field,
    unlabelled,
    skip_invalid,
    validation_data,
    validation_split,
    validation_limit,
    cluster_by,
    output,
    overwrite,
    output_format,
    batch_size,
    shots,
    shots_data,
    shots_split,
    seed,
    scorer,
    permutations,
    context,
    index,
    corpus,
    top_k,
    **settings,
):
    """Score the questions of DATA with every MODEL and compare them, paired.

    Writes predictions.jsonl and metrics.json (in a folder per model where there are several),
    comparison.json, per_question.csv, report.html, and report.md with its plots. Calibration is
    told before and after a temperature, fitted on the validation questions given here or on those
    of a run's training; on the same questions pairs of models are combined. With --permutations
    also permutations.jsonl, and how many answers change with the order.
    Stopped by whatever, the same command goes on with what is answered already.

    \b
    mcqa evaluate --model smollm2-135m:text --data bundled --output runs/base
    mcqa evaluate --model runs/demo/generative --model runs/demo/multiple_choice --data bundled
    mcqa evaluate --model smollm2-135m:letter --data bundled --permutations cyclic
    """
    from mcqa.app.clusters import clusters_of
    from mcqa.app.evaluate import (
        ModelSpec,
        compare_evaluations,
        context_kind,
        distinct_names,
        evaluate,
        folder_name,
    )
    from mcqa.app.orders import Plan
    from mcqa.data import data_fingerprint
    from mcqa.files import require_folder

    folder = require_folder(output)
    reading = gather_reading(data_format, label_base, field, unlabelled, skip_invalid)
    questions, account = load_data(data, split, limit, reading, folder)
    clusters = clusters_of(questions, cluster_by, source=data)
    held_out, held_out_note = draw_validation(
        questions, data, reading, validation_data, validation_split, validation_limit
    )
    examples = draw_shots(shots, shots_data, shots_split, seed, reading)
    plan = Plan.of(permutations, questions, seed) if permutations is not None else None
    specs = [ModelSpec.parse(text, scorer) for text in models]
    # What is wrong with the last model shows before the first takes its time.
    given = (index, corpus) != (None, None)
    kinds = [context_kind(spec, context, passages=given) for spec in specs]
    passages = find_passages(kinds, index, corpus, top_k, reading)
    names = distinct_names(specs)
    say(f"Scoring {len(questions):,} questions with {len(specs)} model(s): {', '.join(names)}")
    if plan:
        say(f"Each model is asked in {plan.kind} orders: {plan}")
    evaluations = []
    for spec, name in zip(specs, names, strict=True):
        scorings = (plan.scorings if plan else len(questions)) + len(held_out)
        with progress(scorings, name) as on_progress:
            evaluations.append(
                evaluate(
                    spec,
                    name,
                    questions,
                    folder if len(specs) == 1 else folder / folder_name(name),
                    batch_size=batch_size,
                    on_progress=on_progress,
                    announce=say,
                    overwrite=overwrite,
                    plan=plan,
                    validation_questions=held_out,
                    validation_note=held_out_note,
                    shots=examples,
                    context=context,
                    index=passages,
                    top_k=top_k,
                    **settings,
                )
            )
        validation = evaluations[-1].validation
        say(f"{name}: {'calibrated on ' if validation.predictions else ''}{validation.note}")
    said = [data, f"{len(questions):,} questions", *account.remarks()]
    details = report_details(
        Models=", ".join(models),
        Data=", ".join([*said, f"sha256 {data_fingerprint(data, split)[:16]}"]),
        **_told_contexts(evaluations),
        **({"Validation": held_out_note} if held_out else {}),
    )
    if not distributed.is_main():
        return
    comparisons = compare_evaluations(
        evaluations,
        folder,
        title=f"mcqa on {Path(data).name}",
        details=details,
        questions=questions,
        clusters=clusters,
    )
    if output_format == "json":
        shown = list(map(_shown, evaluations))
        counts = {"questions": len(questions), **account.counts()}
        print_json({"models": shown, "comparisons": comparisons, "data": counts})
    else:
        print_evaluations(evaluations, comparisons)
    say(f"Results: {folder}   Page: {folder / 'report.html'}")


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
    from mcqa.app.results import written_metrics

    told = asdict(replace(evaluation, predictions=[], validation=None, orders=None))
    del told["orders"]
    told["validation"] = evaluation.validation.note
    if evaluation.orders:
        told["permutations"] = written_metrics(evaluation)["permutations"]
    return {**told, "folder": str(evaluation.folder), "predictions": len(evaluation.predictions)}
