"""`mcqa distill`: a teacher's probabilities beside questions, to train on in place of labels."""

from functools import partial

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


@click.command("distill")
@click.argument("teacher")
@revision_options("teacher")
@options(data_options, scoring_options)
@click.option("--output", required=True, help="File of questions to write (JSON lines).")
@overwrite_option
@format_option
def command(teacher, data, reading, scoring, output, overwrite, output_format):
    """Write the questions of DATA with the probabilities that TEACHER gives their options.

    They stand in the field `targets`, beside labels, and `mcqa train` learns them in place of the
    labels. They are calibrated where TEACHER is a run that was trained with validation questions
    and is scored as it was then. Questions need no label.
    If it is stopped, the same command continues from the answers already there.

    \b
    mcqa distill runs/large --data train.jsonl --output taught.jsonl
    mcqa train generative --objective options --train-data taught.jsonl --output runs/small
    """
    from mcqa.evaluation.metrics import summarize
    from mcqa.scoring.distilling import distill, new_file
    from mcqa.scoring.loading import load_scorer

    output = new_file(output, data, overwrite=overwrite)
    questions, account = reading.load(data, output.parent)
    scoring.announce_orders(questions)
    settings = scoring.settings([(teacher, scoring.scorer)], reading)
    scorer = load_scorer(teacher, scoring.scorer, held_out=questions, **settings)
    fitted = {kind: scorer.temperature_of(kind) for kind in sorted({q.kind for q in questions})}
    temperature = fitted["choice"] if fitted.keys() == {"choice"} else fitted
    told = [f"{t:.3g}" + f" ({kind})" * (len(fitted) > 1) for kind, t in fitted.items() if t]
    known = f"over temperature {', '.join(told)}" if told else "not calibrated"
    say(
        f"Scoring {len(questions):,} questions with {scorer.name} ({scorer.template}); "
        f"probabilities are {known}"
    )
    if not told:
        say(
            "No temperature is known: the teacher was trained without validation questions, or "
            "not at all, or is not scored as it was then. Its probabilities are taken as they are."
        )
    how = {"batch_size": scoring.batch_size, "announce": say, "overwrite": overwrite}
    with progress(len(questions), teacher) as on_progress:
        predictions, seconds = distill(scorer, questions, output, on_progress=on_progress, **how)
    metrics = summarize(predictions, seconds) | account.counts() | {"temperature": temperature}
    print_result(metrics, output_format, partial(print_accuracy, whose=" of the teacher"))
    say(f"Questions with targets: {output}")
