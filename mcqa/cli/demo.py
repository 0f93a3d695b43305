"""`mcqa demo`: the whole way, on what ships with the package."""

import click

from mcqa.cli.common import print_evaluations, progress, report_details, say
from mcqa.cli.inputs import POSITIVE


@click.command("demo")
@click.option("--output", help="Folder to write (default: runs/demo; runs/demo-KIND).")
@click.option(
    "--kind",
    type=click.Choice(["choice", "several", "scale"]),
    default="choice",
    help="Which bundled questions: one right answer, several, or ordered ones.",
)
@click.option("--train-questions", type=POSITIVE, help="Train on the first N only.")
@click.option("--seed", type=click.IntRange(0), default=0)
def command(output, kind, **how):
    """Tune a 135M Llama on the bundled questions, generatively and with a multiple-choice head,
    and compare both with each other and with the untrained model.

    Takes about 5 minutes on 2 CPU cores, longer with --kind several.
    """
    from mcqa.data import BUNDLED_BY_KIND
    from mcqa.evaluating.demo import run_demo
    from mcqa.evaluating.output import evaluation_folder

    output = output or "runs/demo" + BUNDLED_BY_KIND[kind].removeprefix("bundled")
    folder = click.get_current_context().with_resource(evaluation_folder(output, overwrite=True))
    try:
        how |= {"kind": kind, "announce": say, "progress": progress, "details": report_details()}
        evaluations, comparisons = run_demo(folder, **how)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted. The same command starts anew.") from None
    print_evaluations(evaluations, comparisons)
    say(f"Results: {folder}   Page: {folder / 'report.html'}")
