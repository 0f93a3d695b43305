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
    help="What questions belong together; auto: those of 'bundled' by fact, others not at all.",
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


def print_table(table: Table) -> None:
    """Print a table on standard output, as wide as it needs where that is not a terminal."""
    width = None if sys.stdout.isatty() else 120
    Console(highlight=False, width=width).print(table)


def print_evaluations(evaluations, comparisons) -> None:
    """Print one row per evaluation, every comparison's verdict and what other orders change."""
    from mcqa.evaluating.results import order_lines

    headings = ["", "scorer", "accuracy (95%)", "n", "questions/s"]
    if any(evaluation.cost for evaluation in evaluations):
        headings += "trainable", "training", "adapter"
    table = Table(*headings, box=SIMPLE_HEAD)
    for evaluation in evaluations:
        metrics, cost = evaluation.metrics, evaluation.cost or {}
        cells = [
            escape(evaluation.name),
            evaluation.scorer,
            numbers.format_accuracy(metrics["accuracy"], metrics["accuracy_ci95"]),
            str(metrics["n"]),
            numbers.format_rate(metrics["questions_per_second"]),
            numbers.format_count(cost.get("trainable_parameters")),
            numbers.format_seconds(cost.get("training_seconds")),
            numbers.format_bytes(cost.get("adapter_bytes")),
        ]
        table.add_row(*cells[: len(headings)])
    print_table(table)
    for comparison in comparisons:
        click.echo(comparison["verdict"])
        if stacked := comparison["together"]["stacked"]:
            pair = " and ".join(comparison[side]["name"] for side in "ab")
            click.echo(f"  {pair} stacked: {stacked['against_better']['verdict']}")
    for line in order_lines(evaluations):
        click.echo(line)


def report_details(**more: str) -> dict[str, str]:
    """Return what the numbers of a report depend on: the command, versions, hardware."""
    packages = ("mcqa", "torch", "transformers", "peft", "bitsandbytes")
    return {
        **more,
        "Hardware": describe_hardware(),
        "Versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "Command": " ".join(["mcqa", *sys.argv[1:]]),
    }
