"""`mcqa merge-predictions`: one predictions file out of those of all shards."""

from pathlib import Path

import click

from mcqa.cli.common import say


@click.command("merge-predictions")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, help="Predictions file to write (JSON lines).")
def command(files, output):
    """Put the predictions of all shards together, in the order of the questions.

    Every shard must be there, once, of the same model, settings and questions. The file is the one
    that a single `mcqa score` would have written.

    \b
    mcqa score --model smollm2-135m --data bundled --shard 1/2 --output part-1.jsonl
    mcqa score --model smollm2-135m --data bundled --shard 2/2 --output part-2.jsonl
    mcqa merge-predictions part-1.jsonl part-2.jsonl --output predictions.jsonl
    """
    from mcqa.prediction import write_predictions
    from mcqa.scoring.shards import merge_shards
    from mcqa.system.files import require_file

    output = require_file(output)
    predictions = merge_shards(files)
    write_predictions(output, predictions)
    say(f"Predictions: {output}, {len(predictions):,} of {len(files)} shards")
