"""What several commands share: options, tables, progress, and the details of a report."""

import contextlib
import json
import os
import platform
import sys
from importlib.metadata import version

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mcqa.report import numbers

err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """Print a line for the user on standard error, which leaves standard output to results."""
    err.print(line, markup=False)


def options(*decorators):
    """Combine click options into one decorator, in the order given."""

    def decorate(function):
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


reading_options = options(
    click.option("--split", help="Split of a Hub data set or of 'bundled' (default: test)."),
    click.option("--limit", type=click.IntRange(1), help="Use only the first N questions."),
    click.option(
        "--data-format", default="auto", show_default=True, help="medmcqa, arc, mmlu, medqa, ..."
    ),
    click.option("--label-base", type=click.IntRange(0, 1), help="What labels count from."),
    click.option(
        "--field", multiple=True, metavar="NAME=FIELD", help="Read FIELD as NAME; repeat it."
    ),
    click.option(
        "--unlabelled",
        type=click.Choice(["error", "skip", "keep"]),
        default="keep",
        show_default=True,
        help="What to do with a row without exactly one right answer.",
    ),
    click.option("--skip-invalid", is_flag=True, help="Put bad rows into rejected.jsonl."),
)

data_options = options(
    click.option("--data", required=True, help="File, Hub data set, or 'bundled'."),
    reading_options,
)

context_options = options(
    click.option(
        "--context",
        type=click.Choice(["data", "none", "gold", "retrieved"]),
        help="What to read before a question. data: its own context; none; gold: the passage that "
        "comes with it, its context or else its explanation, which usually names the answer; "
        "retrieved: passages that BM25 finds. Default: as the run was trained, else data.",
    ),
    click.option("--index", metavar="DIR", help="retrieved: passages that `mcqa index` wrote."),
    click.option(
        "--corpus",
        metavar="FILE",
        help="retrieved: passages, or questions with explanations, instead of --index.",
    ),
    click.option(
        "--top-k",
        type=click.IntRange(1),
        help="retrieved: how many; default: as in training, else 3.",
    ),
)

scoring_options = options(
    context_options,
    click.option(
        "--scorer",
        help="text, text-mean, text-char, pmi, letter, constrained, generate; "
        "head for multiple-choice runs. Default: head, text after --objective options, text-mean.",
    ),
    click.option("--template", help="cloze, lettered or hybrid; default: the run's own."),
    click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True),
    click.option("--max-length", type=click.IntRange(1), help="Most tokens of a prompt."),
    click.option(
        "--quantization",
        type=click.Choice(["nf4", "fp4", "int8", "none"]),
        help="Of the backbone; default: the run's own, else none.",
    ),
    click.option(
        "--dtype",
        type=click.Choice(["auto", "bfloat16", "float16", "float32"]),
        help="Compute type; default: the run's own, else auto.",
    ),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, ..."),
    click.option("--shots", type=click.IntRange(1), help="Worked examples before a question."),
    click.option("--shots-data", help="File or data set to draw them from."),
    click.option("--shots-split", help="Its split (Hub, bundled)."),
    click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of every draw."
    ),
    click.option("--chat", is_flag=True, help="Use the model's chat template."),
    click.option("--system", help="System message of the chat."),
    click.option(
        "--parser",
        type=click.Choice(["strict", "lenient"]),
        default="strict",
        show_default=True,
        help="How generate reads an answer.",
    ),
    click.option(
        "--fallback",
        type=click.Choice(["none", "text"]),
        default="none",
        show_default=True,
        help="What generate does with an answer it cannot read.",
    ),
)


def gather_reading(data_format, label_base, field, unlabelled, skip_invalid) -> dict:
    """Return the settings of `mcqa.data.open_questions` that the reading options give."""
    from mcqa.data.mapping import parse_fields

    return {
        "format": data_format,
        "label_base": label_base,
        "fields": parse_fields(field),
        "unlabelled": unlabelled,
        "skip_invalid": skip_invalid,
    }


def load_data(data, split, limit, reading, folder):
    """Load questions, write what was rejected into a folder, and say what was left out.

    Returns:
        The questions, and the account of the other rows.
    """
    from mcqa import distributed
    from mcqa.data import open_questions
    from mcqa.data.reader import write_rejected

    reader = open_questions(data, split=split, limit=limit, **reading)
    questions = reader.store()
    for remark in reader.account.remarks():
        say(f"{data}: {remark}")
    if reading["skip_invalid"] and distributed.is_main():
        write_rejected(folder, reader.account.rejected, announce=say)
    return questions, reader.account


def draw_shots(shots, shots_data, shots_split, seed, reading):
    """Return where worked examples come from, or None without any.

    Their file is read as the questions' is; the bundled ones come from the training split.
    """
    if (shots is None) != (shots_data is None):
        raise click.UsageError("--shots and --shots-data go together.")
    if shots is None:
        return None
    from mcqa.data import load_questions
    from mcqa.prompts import Shots

    settings = _as_the_questions(shots_data, shots_split, reading, bundled="train")
    return Shots(tuple(load_questions(shots_data, **settings)), shots, seed)


def _as_the_questions(source, split, reading, *, bundled):
    """Return how to read further questions: a file as the first ones, the bundled as they are."""
    if source == "bundled":
        return {"split": split or bundled}
    return {**reading, "split": split}


def find_passages(kinds, index, corpus, top_k, reading):
    """Return the index of the passages to retrieve, None where no model is to get any.

    A corpus of questions is read as the questions that are asked.

    Args:
        kinds: what each model's questions get to read.
        index, corpus, top_k: the options.
        reading: see `gather_reading`.
    """
    if "retrieved" not in kinds:
        if (index, corpus, top_k) != (None, None, None):
            raise click.UsageError("--index, --corpus and --top-k go with --context retrieved.")
        return None
    from mcqa.retrieval.index import open_passages

    return open_passages(index, corpus, say, **{**reading, "unlabelled": "keep"})


validation_options = options(
    click.option(
        "--validation-data",
        help="Other questions, to fit temperatures and combinations on: "
        "file, Hub data set, or 'bundled'.",
    ),
    click.option(
        "--validation-split", help="Their split; without --validation-data, that of DATA."
    ),
    click.option("--validation-limit", type=click.IntRange(1), help="Use only the first N."),
)


def draw_validation(questions, data, reading, validation_data, validation_split, validation_limit):
    """Return validation questions and, in words, where they are from; none where none are asked.

    Their file is read as the questions' is; the bundled ones come from the validation split.
    """
    source = validation_data or (validation_split and data)
    if source is None:
        if validation_limit is not None:
            raise click.UsageError(
                "--validation-limit needs --validation-data or --validation-split."
            )
        return [], ""
    from mcqa.app.validation import load_validation

    settings = _as_the_questions(source, validation_split, reading, bundled="validation")
    held_out = load_validation(source, questions, limit=validation_limit, **settings)
    split = f", {settings['split']} split" if settings["split"] else ""
    return held_out, f"{len(held_out):,} questions of {source}{split}"


cluster_option = click.option(
    "--cluster-by",
    type=click.Choice(["auto", "none", "subject"]),
    default="auto",
    show_default=True,
    help="What questions belong together; auto: those of 'bundled' by fact, others not at all.",
)


overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Forget the answers that an interrupted run kept."
)

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print the result.",
)


@contextlib.contextmanager
def progress(total: int, label: str):
    """Show a progress bar on standard error and yield the function that advances it."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    columns += (TimeRemainingColumn(),)
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


def print_json(value) -> None:
    """Print a result for machines on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(table: Table) -> None:
    """Print a table on standard output, as wide as it needs where that is not a terminal."""
    width = None if sys.stdout.isatty() else 120
    Console(highlight=False, width=width).print(table)


def print_evaluations(evaluations, comparisons) -> None:
    """Print one row per evaluation, every comparison's verdict and what other orders change."""
    from mcqa.app.results import order_lines

    table = Table("", "scorer", "accuracy (95%)", "n", "questions/s", box=SIMPLE_HEAD)
    costs = any(evaluation.cost for evaluation in evaluations)
    for heading in ("trainable", "training", "adapter") if costs else ():
        table.add_column(heading)
    for evaluation in evaluations:
        metrics, cost = evaluation.metrics, evaluation.cost or {}
        cells = [
            escape(evaluation.name),
            evaluation.scorer,
            numbers.format_accuracy(metrics["accuracy"], metrics["accuracy_ci95"]),
            str(metrics["n"]),
            numbers.format_rate(metrics["questions_per_second"]),
        ]
        if costs:
            cells += [
                numbers.format_count(cost.get("trainable_parameters")),
                numbers.format_seconds(cost.get("training_seconds")),
                numbers.format_bytes(cost.get("adapter_bytes")),
            ]
        table.add_row(*cells)
    print_table(table)
    for comparison in comparisons:
        click.echo(comparison["verdict"])
        stacked = comparison["together"]["stacked"]
        if stacked:
            pair = " and ".join(comparison[side]["name"] for side in "ab")
            click.echo(f"  {pair} stacked: {stacked['against_better']['verdict']}")
    for line in order_lines(evaluations):
        click.echo(line)


def print_pair(comparison) -> None:
    """Print how calibration and agreement of a described pair differ, in a few lines."""
    paired, together = comparison["paired"], comparison["together"]
    for name, label in (("nll", "NLL"), ("brier", "Brier score"), ("auroc", "AUROC")):
        metric = paired["metrics"][name]
        if metric["difference"] is not None:
            difference = numbers.format_value(metric["difference"], metric["ci95"])
            click.echo(
                f"  {label} {metric['a']:.3f} and {metric['b']:.3f}, difference {difference}"
            )
    agreement = paired["agreement"]
    share, kappa = numbers.format_accuracy(agreement["share"]), agreement["kappa"]
    either = numbers.format_accuracy(together["either"]["value"])
    click.echo(f"  same choice {share}, kappa {numbers.format_value(kappa)}, either right {either}")


def report_details(**more: str) -> dict[str, str]:
    """Return what the numbers of a report depend on: the command, versions, hardware."""
    import torch

    hardware = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    if torch.cuda.is_available():
        hardware += f", {torch.cuda.get_device_name()}"
    packages = ("mcqa", "torch", "transformers", "peft", "bitsandbytes")
    return {
        **more,
        "Hardware": hardware,
        "Versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "Command": " ".join(["mcqa", *sys.argv[1:]]),
    }
