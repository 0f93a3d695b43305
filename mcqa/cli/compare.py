"""`mcqa compare`: predictions files that are already there."""

from pathlib import Path

import click

from mcqa.cli.common import cluster_option, format_option, print_result, say
from mcqa.cli.inputs import one_or_several
from mcqa.evaluation import numbers


@click.command("compare")
@click.argument("files", nargs=-1, required=True, metavar="A.jsonl B.jsonl [...]")
@click.option("--output", required=True, help="Folder to write comparison.json to.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the bootstrap.")
@click.option(
    "--data",
    multiple=True,
    callback=one_or_several,
    help="The questions themselves, to group them; as of mcqa evaluate.",
)
@click.option("--split", help="Their split (Hub, bundled; default: test).")
@cluster_option
@format_option
def command(files, output, seed, data, split, cluster_by, output_format):
    """Compare predictions over the same questions, paired: B minus A.

    Writes comparison.json: the first two files, and further pairs under `others`; every metric's
    difference with its interval is under `paired`. Predictions do not say which questions belong
    together; with DATA whole groups of them are resampled, as `mcqa evaluate` does.

    \b
    mcqa compare a.jsonl b.jsonl --output runs/comparison
    mcqa compare a.jsonl b.jsonl --data bundled --output runs/comparison
    """
    from mcqa.data import load_questions
    from mcqa.errors import ComparisonError
    from mcqa.evaluating.analysis import compare_kinds
    from mcqa.evaluating.clusters import clusters_of
    from mcqa.evaluating.results import write_comparisons
    from mcqa.evaluation.pairing import align_kinds
    from mcqa.prediction import read_predictions
    from mcqa.system.files import require_folder

    if len(set(files)) < 2:
        raise ComparisonError("give at least two different predictions files to compare.")
    if data is None and (split or cluster_by == "subject"):
        raise click.UsageError("--split and --cluster-by subject need --data.")
    clusters = data and clusters_of(load_questions(data, split=split), cluster_by, source=data)
    runs = dict(zip(_names(files), map(read_predictions, files), strict=True))
    comparisons = compare_kinds(align_kinds(runs), seed=seed, clusters=clusters)
    path = write_comparisons(require_folder(output), comparisons)
    print_result(comparisons, output_format, _print)
    say(f"Comparison: {path}")


def _print(comparisons: list[dict]) -> None:
    from mcqa.evaluation.table import METRICS

    for comparison in comparisons:
        if "kind" in comparison:
            click.echo(f"Questions of the kind {comparison['kind']}")
        for side in (comparison["a"], comparison["b"]):
            accuracy = numbers.format_accuracy(side["accuracy"], side["accuracy_ci95"])
            click.echo(f"{side['name']}: {accuracy}")
        click.echo(comparison["verdict"])
        paired, together = comparison["paired"], comparison["together"]
        for name in ("nll", "brier", "auroc"):
            metric, found = METRICS[name], paired["metrics"][name]
            if found["difference"] is not None:
                values = f"{found['a']:.3f} and {found['b']:.3f}"
                difference = numbers.format_value(found["difference"], found["ci95"])
                click.echo(f"  {metric.short or metric.heading} {values}, difference {difference}")
        share = numbers.format_accuracy(paired["agreement"]["share"])
        kappa = numbers.format_value(paired["agreement"]["kappa"])
        either = numbers.format_accuracy(together["either"]["value"])
        click.echo(f"  same choice {share}, kappa {kappa}, either right {either}")


def _names(files: tuple[str, ...]) -> list[str]:
    """Return the files' names if they differ, else their folders' if those do, else the paths."""
    paths = list(map(Path, files))
    for names in ([path.stem for path in paths], [path.parent.name for path in paths]):
        if len(set(names)) == len(names):
            return names
    return list(map(str, paths))
