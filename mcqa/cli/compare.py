"""`mcqa compare`: predictions files that are already there."""

from pathlib import Path

import click

from mcqa.cli.common import format_option, print_json, print_pair, say
from mcqa.report import numbers


@click.command("compare")
@click.argument("files", nargs=-1, required=True, metavar="A.jsonl B.jsonl [...]")
@click.option("--output", required=True, help="Folder to write comparison.json to.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap.")
@format_option
def command(files, output, seed, output_format):
    """Compare predictions over the same questions, paired: B minus A.

    Writes comparison.json: the first two files, and further pairs under `others`; every metric's
    difference with its interval is under `paired`.
    """
    from mcqa.app.analysis import compare_runs
    from mcqa.app.results import write_comparisons
    from mcqa.errors import ComparisonError
    from mcqa.evaluation.predictions import read_predictions
    from mcqa.files import require_folder

    if len(set(files)) < 2:
        raise ComparisonError("give at least two different predictions files to compare.")
    names = _names([Path(file) for file in files])
    runs = dict(zip(names, map(read_predictions, files), strict=True))
    comparisons = compare_runs(runs, seed=seed)
    path = write_comparisons(require_folder(output), comparisons)
    if output_format == "json":
        print_json(comparisons)
    else:
        for comparison in comparisons:
            for side in (comparison["a"], comparison["b"]):
                accuracy = numbers.format_accuracy(side["accuracy"], side["accuracy_ci95"])
                click.echo(f"{side['name']}: {accuracy}")
            click.echo(comparison["verdict"])
            print_pair(comparison)
    say(f"Comparison: {path}")


def _names(paths: list[Path]) -> list[str]:
    """Return the files' names, or their folders' where those tell them apart, or all of it."""
    candidates = ([p.stem for p in paths], [p.parent.name for p in paths])
    return next(
        (names for names in candidates if len(set(names)) == len(names)), list(map(str, paths))
    )
