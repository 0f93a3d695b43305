"""`mcqa export`: a run in a form that transformers, vLLM, llama.cpp or onnxruntime take."""

import click

from mcqa.cli.common import print_json, say
from mcqa.cli.inputs import POSITIVE, Scoring, options_of


@click.command("export")
@click.argument("run")
@click.option(
    "--format",
    required=True,
    type=click.Choice(["sequence-classification", "gguf", "onnx"]),
    help="sequence-classification: for transformers, vLLM, SGLang; onnx: for onnxruntime, both of "
    "a head; gguf: for llama.cpp, of a generative run.",
)
@click.option("--output", required=True, metavar="DIR", help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace the export that is there.")
@click.option("--adapter", is_flag=True, help="sequence-classification: PEFT's adapter, unmerged.")
@click.option(
    "--dtype",
    type=click.Choice(["bfloat16", "float16", "float32"]),
    help="Of the saved weights; default: the run's compute type, float32 for onnx.",
)
@click.option("--check", metavar="DATA", help="Score these questions through the folder too.")
@click.option("--check-split", help="Their split (Hub, bundled).")
@click.option("--check-limit", type=POSITIVE, help="Use only the first N of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@options_of(Scoring, "device")
def command(run, check, check_split, check_limit, as_json, **how):
    """Write RUN as a folder that other programs take, without mcqa.

    The adapter is merged into its base. --check scores questions through the folder, with the
    libraries that it is for, and prints how far that is from the run's own scores.

    \b
    mcqa export runs/head --format sequence-classification --output models/head --check q.jsonl
    mcqa export runs/generative --format gguf --output models/generative
    """
    from mcqa.data import load_questions
    from mcqa.export.exporting import describe, export_run

    if check is None and (check_split, check_limit) != (None, None):
        raise click.UsageError("--check-split and --check-limit go with --check.")
    questions = load_questions(check, split=check_split, limit=check_limit) if check else []
    say(f"Exporting {run} as {how['format']}")
    result = export_run(run, questions=questions, **how)
    if as_json:
        print_json(result)
    else:
        click.echo("\n".join(describe(result)))
