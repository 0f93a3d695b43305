"""What commands print, as tables, JSON and progress, and the options that many of them have."""

import contextlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import version

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mcqa.evaluation import numbers
from mcqa.system.hardware import describe_hardware

SPEED_FROM = 300  # seconds of the past that time left is estimated from; a step may take a minute

err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """Print a line for the user on standard error, which leaves standard output to results."""
    err.print(line, markup=False)


cluster_option = click.option(
    "--cluster-by",
    type=click.Choice(["auto", "none", "subject"]),
    default="auto",
    help="What questions belong together; auto: those of 'bundled' by fact, others by `state_id`, "
    "where they have any.",
)
baseline_option = click.option(
    "--baseline",
    metavar="RUN",
    help="Compare every other run with this one alone, not every pair; the first is the primary "
    "comparison.",
)
overwrite_option = click.option(
    "--overwrite",
    is_flag=True,
    help="Start anew: replace results, and forget the answers that an interrupted run kept.",
)
format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    help="How to print the result.",
)


@contextlib.contextmanager
def progress(total: int | None, label: str):
    """Show a live bar on standard error, where that is a terminal.

    Yields the function that is called with how many more are done, and optionally a note, and the
    total where that was not known before.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    columns += TimeRemainingColumn(), TextColumn("{task.fields[note]}")
    how = {"disable": not err.is_terminal, "speed_estimate_period": SPEED_FROM}
    with Progress(*columns, console=err, transient=True, **how) as bar:
        task = bar.add_task(label, total=total, note="")
        yield lambda count, note="", **more: bar.update(task, advance=count, note=note, **more)


def print_json(value) -> None:
    """Print a result for machines on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_result(result, output_format: str, print_it: Callable) -> None:
    """Print a result as --format says: as JSON, or by a function."""
    (print_json if output_format == "json" else print_it)(result)


def print_accuracy(metrics: dict, whose: str = "") -> None:
    """Print what `summarize` says of a run: its accuracy, that of each kind, and its speed."""
    from mcqa.evaluation.metrics import split_kinds

    lines = []
    for kind, own in split_kinds(metrics).items():
        accuracy = numbers.format_accuracy(own["accuracy"], own["accuracy_ci95"])
        lines.append(f"{kind}: " * bool(kind) + f"accuracy{whose} {accuracy}, n = {own['n']}")
    rate = numbers.format_rate(metrics["questions_per_second"])
    click.echo("\n".join(lines) + f", {rate} questions/s")


def print_table(table: Table) -> None:
    """Print a table on standard output, as wide as it needs where that is not a terminal."""
    width = None if sys.stdout.isatty() else 120
    Console(highlight=False, width=width).print(table)


def print_evaluations(evaluations, comparisons) -> None:
    """Print one row per evaluation, every comparison's verdict and what other orders change.

    Questions of several kinds have a table for each, and nothing is averaged over them.
    """
    from mcqa.evaluating.results import order_lines, written_metrics
    from mcqa.evaluation.clustered import few_groups
    from mcqa.evaluation.metrics import split_kinds

    of_runs = [split_kinds(written_metrics(evaluation)) for evaluation in evaluations]
    for kind in of_runs[0]:
        if kind:
            click.echo(f"Questions of the kind {kind}")
        columns = _quality(kind, [kinds[kind] for kinds in of_runs])
        print_table(_run_table(evaluations, columns if kind else columns | _cost(evaluations)))
        if few := few_groups(of_runs[0][kind].get("clusters")):
            click.echo(few)
        for comparison in comparisons:
            if comparison.get("kind", "") == kind:
                _print_comparison(comparison)
    if "" not in of_runs[0]:
        print_table(_run_table(evaluations, _cost(evaluations)))
    for line in order_lines(evaluations):
        click.echo(line)


def _run_table(evaluations, columns: dict[str, list[str]]) -> Table:
    names, scorers = zip(*((escape(run.name), run.scorer) for run in evaluations), strict=True)
    table = Table("", "scorer", *columns, box=SIMPLE_HEAD)
    for row in zip(names, scorers, *columns.values(), strict=True):
        table.add_row(*row)
    return table


def _quality(kind: str, described: list[dict]) -> dict[str, list[str]]:
    """Return columns by their headings: how good the runs are on questions of a kind."""
    from mcqa.evaluation.groups import macro_accuracy
    from mcqa.evaluation.table import own_metrics

    shown = [numbers.format_accuracy(one["accuracy"], one["accuracy_ci95"]) for one in described]
    columns = {"accuracy (95%)": shown}
    for metric in own_metrics(kind) if kind else ():
        values = [one.get("metrics", {}).get(metric.name, {}).get("value") for one in described]
        columns[metric.title] = list(map(numbers.format_value, values))
    macros = [macro_accuracy(one.get("per_subject", {})) for one in described]
    if any(macros):
        columns["over subjects (95%)"] = list(map(numbers.format_share, macros))
    columns["n"] = [str(one["n"]) for one in described]
    if any(one["unparsed"] for one in described):
        columns["unread"] = [numbers.format_count(one["unparsed"]) for one in described]
    return columns


def _cost(evaluations) -> dict[str, list[str]]:
    """Return columns by their headings: what the runs take."""
    rates = [evaluation.metrics["questions_per_second"] for evaluation in evaluations]
    columns = {"questions/s": list(map(numbers.format_rate, rates))}
    costs = [evaluation.cost or {} for evaluation in evaluations]
    if any(costs):
        shown = {
            "trainable": ("trainable_parameters", numbers.format_count),
            "training": ("training_seconds", numbers.format_seconds),
            "adapter": ("adapter_bytes", numbers.format_bytes),
        }
        for heading, (key, show) in shown.items():
            columns[heading] = [show(cost.get(key)) for cost in costs]
    return columns


def _print_comparison(comparison: dict) -> None:
    primary = "Primary comparison: " if comparison.get("primary") else ""
    click.echo(primary + comparison["verdict"])
    if stacked := comparison["together"]["stacked"]:
        pair = " and ".join(comparison[side]["name"] for side in "ab")
        click.echo(f"  {pair} stacked: {stacked['against_better']['verdict']}")


def report_details(**more: str) -> dict[str, str]:
    """Return what the numbers of a report depend on: the command, versions, hardware."""
    packages = ("mcqa", "torch", "transformers", "peft", "bitsandbytes")
    return {
        **more,
        "Hardware": describe_hardware(),
        "Versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "Command": " ".join(["mcqa", *sys.argv[1:]]),
    }
