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
from mcqa.cli.inputs import data_options, options, scoring_options
from mcqa.cli.revisions import revision_options


@click.command("score")
@click.option("--model", required=True, help="smollm2-135m, a folder, a run folder or a Hub id.")
@revision_options("model")
@options(data_options, scoring_options)
@click.option("--output", required=True, help="Predictions file to write (JSON lines).")
@overwrite_option
@format_option
def command(model, data, reading, scoring, output, overwrite, output_format):
    """Score the questions of DATA with MODEL and write one line per question.

    If it is stopped, the same command continues from the answers already there.

    \b
    mcqa score --model smollm2-135m --data bundled --output predictions.jsonl
    mcqa score --model runs/demo/multiple_choice --data test.jsonl --output p.jsonl
    mcqa score --model smollm2-135m --data q.jsonl --context retrieved --index idx --output p
    """
    from mcqa.evaluation.metrics import summarize
    from mcqa.scoring.loading import load_scorer
    from mcqa.scoring.scoring_run import score
    from mcqa.system.files import require_file

    output = require_file(output)
    questions, account = reading.load(data, output.parent)
    scoring.announce_orders(questions)
    settings = scoring.settings([(model, scoring.scorer)], reading)
    scorer = load_scorer(model, scoring.scorer, held_out=questions, **settings)
    say(f"Scoring {len(questions):,} questions with {scorer.name} ({scorer.template})")
    how = {"batch_size": scoring.batch_size, "announce": say, "overwrite": overwrite}
    with progress(len(questions), model) as on_progress:
        predictions, seconds = score(scorer, questions, output, on_progress=on_progress, **how)
    metrics = summarize(predictions, seconds) | account.counts()
    print_result(metrics, output_format, print_accuracy)
    say(f"Predictions: {output}")
