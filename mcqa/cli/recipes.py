"""`mcqa recipes`: what can be trained, and how much of a model that is."""

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mcqa.cli.common import format_option, print_result, print_table


@click.command("recipes")
@click.option("--model", help="Count the trainable parameters of this model.")
@click.option(
    "--formulation",
    type=click.Choice(["generative", "multiple-choice"]),
    default="generative",
    help="Count with the head of this formulation.",
)
@format_option
def command(model, formulation, output_format):
    """List the recipes that `mcqa train ... --recipe NAME` takes.

    \b
    mcqa recipes --model smollm2-135m
    """
    from mcqa.training.recipe_table import list_recipes

    rows = list_recipes(model, formulation.replace("-", "_"))
    print_result(rows, output_format, lambda rows: _print(rows, counted=model is not None))


def _print(rows: list[dict], *, counted: bool) -> None:
    table = Table("recipe", box=SIMPLE_HEAD)
    for heading in ("trainable", "share") if counted else ():
        table.add_column(heading, justify="right")
    for heading in ("backbone", "trains", "source"):
        table.add_column(heading)
    for row in rows:
        counts = []
        if "cannot" in row:
            counts = ["cannot", ""]
        elif counted:
            counts = [f"{row['trainable_parameters']:,}", f"{row['share']:.3%}"]
        source = row["source"].rpartition(", ")[2]
        table.add_row(row["name"], *counts, row["quantization"], row["trains"], source)
    print_table(table)
    for row in rows:
        if "cannot" in row:
            click.echo(f"{row['name']}: {row['cannot']}", err=True)
