"""`mcqa study`: which formulation, not which run."""

from pathlib import Path

import click

from mcqa.cli.common import format_option, print_result, progress, report_details, say


class Numbers(click.ParamType):
    """Read whole numbers, separated by commas; `all`, where it is allowed, becomes None."""

    name = "N,N,..."

    def __init__(self, *, least: int, allow_all: bool = False):
        self.least, self.allow_all = least, allow_all

    def convert(self, value, param, ctx):
        found = [self._number(part.strip(), param, ctx) for part in value.split(",")]
        return tuple(found)

    def _number(self, text: str, param, ctx) -> int | None:
        if text == "all" and self.allow_all:
            return None
        if text.isdecimal() and int(text) >= self.least:
            return int(text)
        or_all = " or all" if self.allow_all else ""
        self.fail(f"{text!r} is not a whole number from {self.least} on{or_all}.", param, ctx)


@click.command("study")
@click.argument("file", metavar="STUDY.yaml")
@click.option("--output", default="runs/study", help="Folder to write, and to go on in.")
@click.option("--seeds", type=Numbers(least=0), help="Seeds, instead of those of the file.")
@click.option(
    "--sizes",
    type=Numbers(least=1, allow_all=True),
    help="Training questions, instead of those of the file; all: every one.",
)
@format_option
def command(file, output, seeds, sizes, output_format):
    """Train and score every combination of a grid, and say which formulation is better.

    STUDY.yaml names formulations, seeds, training sizes, data sets and base models. Intervals are
    for new seeds and new questions, and take three seeds at least. Writes a run folder per cell,
    results.json, report.html, and report.md with its plots. If it is stopped, the same command goes
    on; more seeds or sizes may be added later.

    \b
    mcqa study study.yaml --output runs/study
    mcqa study study.yaml --output runs/study --seeds 0,1,2,3,4
    """
    from mcqa.study.grid import read_grid
    from mcqa.study.study import run_study

    grid = read_grid(file, {"seeds": seeds, "sizes": sizes})
    how = {"announce": say, "progress": progress, "details": report_details(Study=file)}
    try:
        results = run_study(grid, output, **how)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted. What is done is kept in {output}; the same command goes on from there."
        ) from None
    print_result(results, output_format, _print)
    say(f"Results: {output}   Page: {Path(output) / 'report.html'}")


def _print(results: dict) -> None:
    """Print the verdict of each condition."""
    from mcqa.study.words import condition_name

    conditions = results["conditions"]
    several = len({condition["model"] for condition in conditions}) > 1
    for condition in conditions:
        for pair in condition["differences"]:
            title = condition_name(condition, several_models=several)
            click.echo(f"{title}: {pair['verdict']}")
