"""`mcqa serve`: runs that every client of decision models can ask."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import click

from mcqa.cli.common import say
from mcqa.cli.inputs import Reading, options, scoring_options

KEY = "MCQA_API_KEY"


def from_file(context, parameter, path):
    """Take the defaults of all options from a YAML file."""
    if path:
        from mcqa.system.files import read_yaml

        given = read_yaml(path)
        known = {name.lstrip("-"): p.name for p in context.command.params for name in p.opts}
        unknown = sorted(given.keys() - known.keys())
        if unknown:
            raise click.UsageError(
                f"{path}: no option {unknown[0]!r}; there are {', '.join(sorted(known))}."
            )
        context.default_map = {known[name]: value for name, value in given.items()}
    return path


@click.command("serve")
@click.argument("models", nargs=-1, required=True, metavar="RUN [RUN ...]")
@click.option(
    "--config",
    is_eager=True,
    expose_value=False,
    callback=from_file,
    help="YAML file of these options; flags override it.",
)
@click.option("--host", default="127.0.0.1", help="Others than this machine need a key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="0: any that is free.")
@click.option("--key-env", default=KEY, help="Environment variable with the bearer key, if any.")
@click.option("--wait-ms", type=click.FloatRange(0, 1000), default=2.0, help="Wait for company.")
@click.option(
    "--batch-invariant",
    is_flag=True,
    help="Compute every question by itself: no bit of an answer depends on who else asks.",
)
@click.option(
    "--save-memory",
    is_flag=True,
    help="On a CPU, unpack 4-bit weights for each batch, not once: slower, the same numbers.",
)
@click.option("--cut", is_flag=True, help="Cut what is too long, and count it; else an error.")
@click.option(
    "--abstain", type=click.FloatRange(0, 1), metavar="P", help="Mark answers less sure than P."
)
@click.option("--max-body", type=click.IntRange(1), default=1 << 20, help="Bytes of a request.")
@click.option("--max-questions", type=click.IntRange(1), default=400, help="Of a request.")
@click.option("--max-options", type=click.IntRange(2, 255), default=255, help="Of a question.")
@click.option("--max-tokens", type=click.IntRange(1), default=65536, help="Of a request.")
@click.option("--max-waiting", type=click.IntRange(1), default=256, help="Requests that wait.")
@click.option("--timeout", type=click.FloatRange(0.001), default=30.0, help="Seconds a request.")
@click.option("--log-texts", is_flag=True, help="Log states and questions too.")
@options(scoring_options)
def command(
    models,
    scoring,
    host,
    port,
    key_env,
    abstain,
    log_texts,
    wait_ms,
    batch_invariant,
    save_memory,
    cut,
    **most,
):
    """Answer questions over HTTP with RUNs, which may be models too; MODEL:SCORER names a scorer.

    \b
    mcqa serve runs/demo/multiple_choice
    mcqa serve runs/demo/multiple_choice runs/demo/generative --port 8080 --abstain 0.6
    """
    try:
        from mcqa.serving.app import App
        from mcqa.serving.serve import listen, serve
    except ImportError as error:
        from mcqa.errors import MissingDependencyError

        raise MissingDependencyError(
            f"mcqa serve needs {error.name}: pip install 'mcqa[serve]'"
        ) from error
    from mcqa.serving.limits import Limits

    key = os.environ.get(key_env) or None
    if key is None and key_env != KEY:
        raise click.UsageError(f"--key-env {key_env}: this environment variable is not set.")
    limits = Limits(
        body_bytes=most["max_body"],
        questions=most["max_questions"],
        options=most["max_options"],
        tokens=most["max_tokens"],
        waiting=most["max_waiting"],
        seconds=most["timeout"],
    )
    listening = listen(host, port, key)
    with ThreadPoolExecutor(1) as loading:  # whose OpenMP threads end with it
        hosted = loading.submit(_host_all, models, scoring, save_memory).result()
    app = App(
        hosted,
        abstain=abstain,
        key=key,
        log_texts=log_texts,
        batch_size=scoring.batch_size,
        wait=wait_ms / 1000,
        limits=limits,
        invariant=batch_invariant,
        cut=cut,
    )
    serve(app, listening, say)


def _host_all(models, scoring, save_memory: bool) -> list:
    """Return the models, loaded.

    In a thread of its own: OpenMP threads that idle beside those of the model's thread would keep
    these from spinning, and every question would take longer; see `mcqa.models.cpu.spinning`.
    """
    from mcqa.evaluating.evaluate import ModelSpec
    from mcqa.models.cpu.four_bit import keep_weights
    from mcqa.scoring.loading import load_scorer
    from mcqa.serving.hosted import host

    if scoring.average != (scoring.orders is not None):
        raise click.UsageError("--orders and --average go together.")
    if len(set(models)) < len(models):
        raise click.UsageError("a model is named twice.")
    specs = [ModelSpec.parse(model, scoring.scorer) for model in models]
    settings = scoring.settings(specs, plain_reading())
    hosted = []
    for name, spec in zip(models, specs, strict=True):
        say(f"Loading {name}")
        hosted.append(host(name, load_scorer(spec.model, spec.scorer, **settings), spec.model))
    if not save_memory:
        keep_weights(one.scorer.model for one in hosted)
    return hosted


def plain_reading() -> Reading:
    """Return how shots and passages are read where no option says it: as the defaults are."""
    defaults = {each.name: each.metadata["settings"].get("default") for each in fields(Reading)}
    return Reading(**defaults | {"fields": (), "skip_invalid": False})
