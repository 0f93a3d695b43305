"""`mcqa check`: what is in a data set, and what is wrong with it."""

from collections.abc import Iterator

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from mcqa.cli.common import format_option, print_result, print_table, say
from mcqa.cli.inputs import POSITIVE, one_or_several, reading_options
from mcqa.evaluation import numbers

SUBJECTS = 10


@click.command("check")
@click.argument("data", nargs=-1, required=True, callback=one_or_several)
@reading_options
@click.option("--against", metavar="TRAIN", help="Set that DATA must share no question with.")
@click.option("--against-split", help="Its split (Hub, bundled).")
@click.option("--model", help="Measure lengths in this model's tokens.")
@click.option("--template", help="Template to measure with; default: the run's own, else cloze.")
@click.option("--max-length", type=POSITIVE, help="Report what is cut at so many tokens.")
@click.option("--output", default="runs/check", help="Folder for rejected.jsonl.")
@format_option
def command(
    data, reading, against, against_split, model, template, max_length, output, output_format
):
    """Check the questions of DATA: files, folders, a Hub data set, or 'bundled'.

    Errors are what would stop a run: rows that cannot be read, no question left, options that do
    not fit into --max-length. All else is a warning. With --skip-invalid bad rows are warnings
    too, and are written to rejected.jsonl. Exit code 2 where there is an error, else 0.

    \b
    mcqa check test.jsonl --against train.jsonl --model smollm2-135m
    """
    from mcqa.data.reader import write_rejected
    from mcqa.scoring.check import check, load_encoder
    from mcqa.system.files import require_folder

    if model is None and (template or max_length):
        raise click.UsageError("--template and --max-length need --model: lengths are in tokens.")
    if against is None and against_split:
        raise click.UsageError("--against-split needs --against.")
    encoder = load_encoder(model, template, max_length) if model else None
    how = reading.settings() | {"against": against, "against_split": against_split}
    report, rejected = check(data, encoder=encoder, **how)
    if reading.skip_invalid:
        write_rejected(require_folder(output), rejected, announce=say)
    print_result(report, output_format, _print)
    levels = [finding["level"] for finding in report["findings"]]
    errors, warnings = levels.count("error"), levels.count("warning")
    say(f"Found: {errors} kind(s) of error, {warnings} of warning")
    return 2 if errors else 0


def _print(report: dict) -> None:
    table = Table(show_header=False, box=SIMPLE_HEAD)
    for name, value in summary_rows(report):
        table.add_row(name, escape(value))
    print_table(table)
    if not report["findings"]:
        click.echo("Nothing found.")
        return
    table = Table("level", "finding", "count", "meaning", "the first", box=SIMPLE_HEAD)
    for found in report["findings"]:
        color = "red" if found["level"] == "error" else "yellow"
        cells = found["finding"], f"{found['count']:,}", found["meaning"]
        examples = "\n".join(found["examples"])
        table.add_row(f"[{color}]{found['level']}[/]", *map(escape, (*cells, examples)))
    print_table(table)


def summary_rows(report: dict) -> Iterator[tuple[str, str]]:
    """Yield what is in a data set, as a name and a line each."""
    base, tokens = report["label_base"], report["tokens"]
    n, subjects = report["questions"], report["subjects"]
    counts_from = "" if base["value"] is None else f"count from {base['value']}: "
    yield "data", report["data"]
    yield "format", report["format"]
    yield "labels", counts_from + base["evidence"]
    left_out = f"{report['rejected']:,} bad rows, {report['skipped']:,} skipped"
    yield "questions", f"{n:,} ({left_out})"
    yield "options", _shares(report["option_counts"], n)
    if kinds := report.get("kinds"):
        yield "kinds", _shares({kind: found["questions"] for kind, found in kinds.items()}, n)
    for kind, found in (kinds or {"": report | {"soft": 0}}).items():
        of = f" ({kind})" if kind else ""
        yield f"answers{of}", _shares(found["labels"], found["questions"]) or "none is known"
        if found["soft"]:
            yield f"soft labels{of}", f"{found['soft']:,}"
        if often := found["most_frequent"]:
            accuracy = numbers.format_accuracy(often["accuracy"], often["accuracy_ci95"])
            chance = numbers.format_accuracy(often["chance"])
            yield f"always {often['label']}{of}", f"right in {accuracy}; by chance {chance}"
    if subjects:
        more = f", {len(subjects) - SUBJECTS} more" if len(subjects) > SUBJECTS else ""
        yield "subjects", _shares(dict(list(subjects.items())[:SUBJECTS]), n) + more
    if against := report["against"]:
        yield "against", f"{against['data']}, {against['questions']:,} questions"
    if tokens and n:
        yield (
            f"tokens ({tokens['template']})",
            f"median {tokens['median']:,}, 95% up to {tokens['p95']:,}, longest "
            f"{tokens['longest']:,}; at {tokens['max_length']:,} {tokens['cut']:,} questions are "
            f"cut, by {tokens['cut_tokens']:,} tokens in all",
        )


def _shares(counts: dict[str, int], n: int) -> str:
    """Return counts and their shares of n as one line: `A: 348 (51%), B: 334 (49%)`."""
    return ", ".join(f"{name}: {count:,} ({count / n:.0%})" for name, count in counts.items())
