"""`mcqa merge-predictions`: one predictions file out of those of all shards."""

from pathlib import Path

import click

from mcqa.cli.common import say


@click.command("merge-predictions")
@click.argument("files", nargs=-1, required=True)
@click.option("--output", required=True, help="Predictions file to write (JSON lines).")
def command(files, output):
    """Put the predictions of all shards together, in the order of the questions.

    Every shard must be there, once, of the same model, settings and questions. The file is the one
    that a single `mcqa score` would have written. The folder of `mcqa score --engine ray` is put
    together in the same way.

    \b
    mcqa score --model smollm2-135m --data bundled --shard 1/2 --output part-1.jsonl
    mcqa score --model smollm2-135m --data bundled --shard 2/2 --output part-2.jsonl
    mcqa merge-predictions part-1.jsonl part-2.jsonl --output predictions.jsonl
    """
    from mcqa.scoring.parts import MANIFEST, Place, read_parts
    from mcqa.scoring.shards import merge_shards
    from mcqa.system.files import require_file, whole_files

    output = require_file(output)
    folder = Place.of(files[0])
    if len(files) == 1 and (folder / MANIFEST).read_info():
        predictions = read_parts(folder)
    else:
        predictions = merge_shards([Path(file) for file in files])
    with whole_files(output.parent) as made, (made / output.name).open("w") as file:
        file.writelines(prediction.to_json() + "\n" for prediction in predictions)
    say(f"Predictions: {output}")
