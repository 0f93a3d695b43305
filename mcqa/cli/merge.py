"""`mcqa merge`: a run's adapter and its base become one plain model folder."""

import click

from mcqa.cli.common import format_option, print_result, say
from mcqa.cli.inputs import POSITIVE, Scoring, options_of


@click.command("merge")
@click.argument("run")
@click.option("--output", required=True, help="Folder to write; new or empty.")
@click.option(
    "--dtype",
    type=click.Choice(["bfloat16", "float16", "float32"]),
    help="Of the saved weights; default: the run's compute type.",
)
@click.option("--validation-data", help="Score these questions before and after the merge.")
@click.option("--validation-split", help="Their split (Hub, bundled).")
@click.option("--validation-limit", type=POSITIVE, help="Use only the first N of them.")
@options_of(Scoring, "batch_size", "device")
@format_option
def command(run, validation_data, validation_split, validation_limit, output_format, **how):
    """Merge RUN into a folder that AutoModelForMultipleChoice or AutoModelForCausalLM loads.

    \b
    mcqa merge runs/head --output models/head --validation-data validation.jsonl
    """
    from mcqa.data import load_questions
    from mcqa.export.merge import describe, merge_run

    questions = []
    if validation_data:
        questions = load_questions(validation_data, split=validation_split, limit=validation_limit)
        say(f"Merging {run}; scoring {len(questions):,} questions before and after")
    result = merge_run(run, questions=questions, **how)
    print_result(result, output_format, lambda result: click.echo("\n".join(describe(result))))
