"""`mcqa score`: one model, one data set, one predictions file."""

import click

from mcqa.cli.common import (
    format_option,
    overwrite_option,
    print_accuracy,
    print_result,
    progress,
    say,
)
from mcqa.cli.inputs import POSITIVE, data_options, options, scoring_options
from mcqa.cli.on_ray import ray_options
from mcqa.cli.revisions import revision_options
from mcqa.scoring.remote.names import is_remote


@click.command("score")
@click.option("--model", required=True, help="smollm2-135m, a folder, a run folder or a Hub id.")
@revision_options("model")
@options(data_options, scoring_options)
@click.option(
    "--output", required=True, help="Predictions file to write (JSON lines); of ray: a folder."
)
@ray_options
@click.option(
    "--block",
    type=POSITIVE,
    help="Form batches within N consecutive questions, as --engine ray does; default: of all.",
)
@click.option("--shard", metavar="I/N", help="Score the Ith of N shards; see merge-predictions.")
@overwrite_option
@format_option
def command(model, data, reading, scoring, output, ray, block, shard, overwrite, output_format):
    """Score the questions of DATA with MODEL and write one line per question.

    If it is stopped, the same command continues from the answers already there.

    \b
    mcqa score --model smollm2-135m --data bundled --output predictions.jsonl
    mcqa score --model runs/demo/multiple_choice --data test.jsonl --output p.jsonl
    mcqa score --model smollm2-135m --data q.jsonl --context retrieved --index idx --output p
    mcqa score --model smollm2-135m --data 'parts/*.parquet' --engine ray --workers 2 --output p
    """
    if is_remote(model) and (shard or block):
        raise click.UsageError("a server forms its own batches: leave out --shard and --block.")
    others = {"shard": shard, "limit": reading.limit, "split": reading.split}
    if ray.wanted(model, **others, average=scoring.average or None):
        how = {"overwrite": overwrite, "block": block}
        result = ray.score(model, data, reading, scoring, output, **how)
        print_result(result, output_format, print_accuracy)
        return
    from mcqa.evaluation.metrics import summarize
    from mcqa.scoring.loading import load_scorer
    from mcqa.scoring.scoring_run import score
    from mcqa.scoring.shards import Shard, score_shard
    from mcqa.system.files import require_file

    shard = shard and Shard.parse(shard)
    output = require_file(output)
    questions, account = reading.load(data, output.parent)
    scoring.announce_orders(questions)
    settings = scoring.settings([(model, scoring.scorer)], reading)
    scorer = load_scorer(model, scoring.scorer, held_out=questions, **settings)
    say(f"Scoring {len(questions):,} questions with {scorer.name} ({scorer.template})")
    how = {"batch_size": scoring.batch_size, "block": block, "announce": say}
    how["overwrite"] = overwrite
    if shard:
        how["shard"] = shard
    with progress(len(questions), model) as how["on_progress"]:
        score_them = score_shard if shard else score
        predictions, seconds = score_them(scorer, questions, output, **how)
    metrics = summarize(predictions, seconds) | account.counts()
    print_result(metrics, output_format, print_accuracy)
    say(f"Predictions: {output}")
