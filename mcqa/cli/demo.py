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
@click.option(
    "--seeds",
    type=POSITIVE,
    help="Make it a study of so many seeds, from --seed on, which says something of formulations "
    "and not of two runs; three at least.",
)
def command(output, kind, seeds, **how):
    """Tune a 135M Llama on the bundled questions, generatively and with a multiple-choice head,
    and compare both with each other and with the untrained model.

    Takes about 5 minutes on 2 CPU cores, longer with --kind several. What it says is about two runs
    of one seed; with --seeds it is a study (`mcqa study`), as many times as long and without the
    untrained model.
    """
    from mcqa.data import BUNDLED_BY_KIND

    if seeds is not None:
        _study(output, kind, seeds, **how)
        return
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
    say("This is about these two runs, of one seed each. --seeds 3 asks about the formulations.")
    say(f"Results: {folder}   Page: {folder / 'report.html'}")


def _study(output: str | None, kind: str, seeds: int, *, train_questions: int | None, seed: int):
    from mcqa.cli.study import print_verdicts, run_and_say
    from mcqa.data import BUNDLED_BY_KIND
    from mcqa.study.grid import DataSet, Grid

    source = BUNDLED_BY_KIND[kind]
    grid = Grid(
        title="Which formulation, on the bundled questions?",
        data={source: DataSet(data=(source,), validation_split="validation", steps_between=25)},
        sizes=(train_questions,),
        seeds=tuple(range(seed, seed + seeds)),
    )
    output = output or f"runs/demo{source.removeprefix('bundled')}-study"
    results = run_and_say(grid, output, details=report_details())
    print_verdicts(results)
    say(f"Results: {output}   Page: {output}/report.html")
