"""`mcqa report`: an evaluation's report once more, from what is on disk."""

from pathlib import Path

import click

from mcqa.cli.common import print_evaluations, say


@click.command("report")
@click.argument("folder", metavar="DIR")
@click.option("--without-texts", is_flag=True, help="Show no question's text.")
def command(folder, without_texts):
    """Draw the report of DIR again, which `mcqa evaluate` or `mcqa demo` wrote, without scoring.

    Computes every number anew from the predictions, and replaces metrics.json, comparison.json,
    per_question.csv, report.html, report.md and the plots. No model is loaded.

    \b
    mcqa report runs/evaluation
    """
    from mcqa.evaluating.results import redraw

    evaluations, comparisons = redraw(Path(folder), texts=not without_texts)
    print_evaluations(evaluations, comparisons)
    say(f"Page: {Path(folder) / 'report.html'}")
