"""`mcqa retention`: a run and its base on other questions, and what was forgotten."""

from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from mcqa.cli.common import (
    cluster_option,
    format_option,
    overwrite_option,
    print_evaluations,
    print_result,
    print_table,
    progress,
    report_details,
    say,
)
from mcqa.cli.inputs import data_options, options, scoring_options
from mcqa.evaluation import numbers


@click.command("retention")
@click.argument("run")
@options(data_options, scoring_options)
@click.option(
    "--base-scorer", help="Scorer of the base; default: the run's, without a head text-mean."
)
@cluster_option
@click.option("--output", required=True, help="Folder to write.")
@overwrite_option
@format_option
def command(run, data, reading, scoring, base_scorer, cluster_by, output, overwrite, output_format):
    """Score DATA with RUN and with the base that it was tuned from, and compare them, paired.

    DATA are questions that RUN was not tuned for. Writes what `mcqa evaluate` writes for two
    models; retention.json; and forgotten.jsonl and gained.jsonl, the ids of the questions that
    only the base, or only the run, gets right.
    If it is stopped, the same command continues from the answers already there.

    \b
    mcqa retention runs/medmcqa --data commonsenseqa_dev.jsonl --output runs/retention
    """
    from mcqa.evaluating.clusters import clusters_of
    from mcqa.evaluating.output import evaluation_folder
    from mcqa.evaluating.retention import base_and_run, check_retention, note_on

    held = evaluation_folder(output, overwrite=overwrite)
    folder = click.get_current_context().with_resource(held)
    questions, account = reading.load(data, folder)
    scoring.announce_orders(questions)
    clusters = clusters_of(questions, cluster_by, source=data)
    settings = scoring.settings([(run, scoring.scorer)], reading)
    specs, settings = base_and_run(run, scoring.scorer, base_scorer, **settings)
    base, own = specs
    say(
        f"Scoring {len(questions):,} questions with the base {base.model} "
        f"({base.scorer}) and the run {run} ({own.scorer})"
    )
    kept, said = reading.record(data, questions, account)
    context, note = settings["context"], note_on(specs)
    details = report_details(
        Models=f"{base.model}, {run}",
        Data=said,
        **({"Context": context} if context != "data" else {}),
        **({"Note": note} if note else {}),
    )
    how = {"batch_size": scoring.batch_size, "announce": say, "overwrite": overwrite}
    with progress(2 * len(questions), Path(run).name) as on_progress:
        evaluations, result = check_retention(
            specs,
            questions,
            folder,
            {"details": details, "data": kept, "clusters": clusters},
            on_progress=on_progress,
            **how,
            **settings,
        )
    print_result(result, output_format, lambda result: _print(evaluations, result))
    say(f"Results: {folder}   Page: {folder / 'report.html'}")


def _print(evaluations, result: dict) -> None:
    print_evaluations(evaluations, [])
    for kind, part in result.get("kinds", {"": result}).items():
        if kind:
            click.echo(f"Questions of the kind {kind}")
        _print_part(part)
    if "kinds" in result and result["note"]:
        click.echo(result["note"])


def _print_part(result: dict) -> None:
    click.echo(result["verdict"])
    for name, before in (("forgotten", "right"), ("gained", "wrong")):
        counts = result[name]
        share = numbers.format_accuracy(counts["share"], counts["ci95"])
        click.echo(
            f"{name.capitalize()}: {counts['n']:,} of the {counts['of']:,} that the base answers "
            f"{before}, {share}"
        )
    if result.get("note"):
        click.echo(result["note"])
    if not result["per_subject"]:
        return
    columns = ("n", "base", "run", "forgotten", "gained", "p", "p (Holm)")
    table = Table("subject", *columns, box=SIMPLE_HEAD)
    for subject, row in result["per_subject"].items():
        shares = [f"{row[side] / row['n']:.1%}" for side in ("base", "run")]
        counts = [f"{row[name]:,}" for name in ("forgotten", "gained")]
        p_values = [numbers.format_p_value(row[name]) for name in ("p_value", "p_value_holm")]
        table.add_row(escape(subject), f"{row['n']:,}", *shares, *counts, *p_values)
    print_table(table)
