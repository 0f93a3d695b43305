"""`mcqa harness`: lm-evaluation-harness's own command, which knows the model `mcqa` there."""

import click


@click.command("harness", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="LM_EVAL_ARGUMENTS...")
def command(arguments):
    """Run lm-evaluation-harness, all arguments being those of its command lm_eval.

    With --model mcqa and --model_args run=RUN tasks are scored with a run, or with whatever else
    --model of `mcqa score` takes. More model_args: scorer, dtype, quantization, max_length.

    \b
    mcqa harness --model mcqa --model_args run=runs/head --tasks arc_easy --batch_size 16
    mcqa harness ls tasks
    """
    from mcqa.scoring.harness import run_command

    run_command(arguments)
