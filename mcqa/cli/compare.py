"""`mcqa compare`: predictions files that are already there."""

from pathlib import Path

import click

from mcqa.cli.common import baseline_option, cluster_option, format_option, print_result, say
from mcqa.cli.inputs import one_or_several
from mcqa.evaluation import numbers


@click.command("compare")
@click.argument("files", nargs=-1, required=True, metavar="A B [...]")
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
@baseline_option
@format_option
def command(files, output, seed, data, split, cluster_by, baseline, output_format):
    """Compare predictions over the same questions, paired: B minus A.

    Writes comparison.json: the first two files, and further pairs under `others`; every metric's
    difference with its interval is under `paired`. Predictions do not say which questions belong
    together; with DATA whole groups of them are resampled, as `mcqa evaluate` does.

    A file may also be a sample log of lm-evaluation-harness (--log_samples), a log of inspect_ai
    (.eval, .json), or a CSV file with id and choice or probabilities. Answers are then matched by
    what was asked or, where a file does not say that, by id; what has no partner is named.

    \b
    mcqa compare a.jsonl b.jsonl --output runs/comparison
    mcqa compare a.jsonl b.jsonl --data bundled --output runs/comparison
    """
    from mcqa.data import load_questions
    from mcqa.errors import ComparisonError
    from mcqa.evaluating.analysis import compare_kinds
    from mcqa.evaluating.clusters import clusters_of
    from mcqa.evaluating.matching import match
    from mcqa.evaluating.others import read_answers
    from mcqa.evaluating.results import write_comparisons
    from mcqa.evaluation.pairing import align_kinds
    from mcqa.system.files import require_folder

    if len(set(files)) < 2:
        raise ComparisonError("give at least two different predictions files to compare.")
    if data is None and (split or cluster_by == "subject"):
        raise click.UsageError("--split and --cluster-by subject need --data.")
    questions = load_questions(data, split=split) if data else []
    clusters = clusters_of(questions, cluster_by, source=data) if data else None
    answered = dict(zip(_names(files), map(read_answers, files), strict=True))
    runs = {name: run.predictions for name, run in answered.items()}
    if not all(run.ours for run in answered.values()):
        runs, remarks = match(answered, questions)
        for remark in remarks:
            say(remark)
    if baseline is not None and baseline not in runs:
        baseline = dict(zip(files, runs, strict=True)).get(baseline, baseline)
    how = {"seed": seed, "clusters": clusters, "baseline": baseline}
    aligned = align_kinds(runs)
    _say_unlabelled(runs, aligned)
    comparisons = compare_kinds(aligned, **how)
    path = write_comparisons(require_folder(output), comparisons)
    print_result(comparisons, output_format, _print)
    say(f"Comparison: {path}")


def _say_unlabelled(runs: dict, aligned: dict) -> None:
    """Say how many questions are left out because no right answer is known."""
    asked = len(next(iter(runs.values())))
    left = asked - sum(len(next(iter(of_kind.values()))) for of_kind in aligned.values())
    if left:
        verbs = ("has", "is") if left == 1 else ("have", "are")
        say(
            f"{left:,} of {asked:,} questions {verbs[0]} no label in all files and {verbs[1]} "
            "left out."
        )


def _print(comparisons: list[dict]) -> None:
    from mcqa.evaluation.table import METRICS

    for comparison in comparisons:
        if "kind" in comparison:
            click.echo(f"Questions of the kind {comparison['kind']}")
        for side in (comparison["a"], comparison["b"]):
            accuracy = numbers.format_accuracy(side["accuracy"], side["accuracy_ci95"])
            click.echo(f"{side['name']}: {accuracy}")
        primary = "Primary comparison: " if comparison.get("primary") else ""
        click.echo(primary + comparison["verdict"])
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
    from mcqa.evaluating.others import answers_name

    paths = list(map(Path, files))
    for names in (list(map(answers_name, paths)), [path.parent.name for path in paths]):
        if len(set(names)) == len(names):
            return names
    return list(map(str, paths))
