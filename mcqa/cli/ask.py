"""`mcqa ask`: one question from the shell, its probabilities as bars."""

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from mcqa.cli.common import format_option, print_result, print_table
from mcqa.cli.inputs import Scoring, options_of
from mcqa.errors import ConfigError, QuestionError
from mcqa.kinds import KINDS


@click.command("ask")
@click.argument("run")
@click.argument("stem", metavar="QUESTION")
@click.argument("choices", nargs=-1, metavar="[OPTION ...]")
@click.option("--also", multiple=True, metavar="RUN", help="Another run to ask; repeat it.")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Default: choice; yes_no without any.")
@click.option("--context", "context_file", metavar="FILE", help="What to read before it; - reads.")
@click.option("--url", help="Ask a running server, like http://127.0.0.1:8000; RUN is its name.")
@format_option
@options_of(Scoring, "scorer", "template", "max_length", "quantization", "dtype", "device")
def command(run, stem, choices, also, kind, context_file, url, output_format, scorer, **settings):
    """Ask RUN a QUESTION with OPTIONs, and show how likely each one is.

    \b
    mcqa ask runs/demo/multiple_choice "What do bees make?" honey silk "wax paper"
    mcqa ask runs/demo/generative "Is 7 prime?" --kind yes_no
    mcqa ask multiple_choice "What do bees make?" honey silk --url http://127.0.0.1:8000
    """
    from mcqa.question import Question

    kind = kind or ("choice" if choices else "yes_no")
    passage = _read(context_file) if context_file else None
    try:
        question = Question(stem=stem, options=choices, kind=kind, context=passage, id="question")
    except QuestionError as error:
        raise click.UsageError(str(error)) from error
    answers = [_answer(name, question, url, scorer, settings) for name in (run, *also)]
    print_result(answers, output_format, lambda rows: _print_bars(question, rows))


def _read(file: str) -> str:
    try:
        with click.open_file(file, encoding="utf-8") as source:
            return source.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--context {file}: cannot be read ({error}).") from error


def _answer(name: str, question, url: str | None, scorer: str | None, settings: dict) -> dict:
    from mcqa.evaluating.evaluate import ModelSpec
    from mcqa.scoring.loading import load_scorer

    model = f"{url.rstrip('/')}/v1/systemone#{name}" if url else name
    spec = ModelSpec.parse(model, scorer)
    scorer = load_scorer(spec.model, spec.scorer, **settings)
    prediction = scorer.calibrated(scorer.score(question))
    if prediction.probabilities is None:
        raise ConfigError(f"{name}: scorer {scorer.name!r} gives no probabilities; use another.")
    chosen = prediction.choice if isinstance(prediction.choice, tuple) else (prediction.choice,)
    return {
        "model": name,
        "scorer": scorer.name,
        "kind": question.kind,
        "choice": [question.options[index] for index in chosen],
        "probabilities": dict(zip(question.options, prediction.probabilities, strict=True)),
        "temperature": scorer.temperature_of(question.kind),
        "truncated_tokens": prediction.truncated,
    }


def _print_bars(question, answers: list[dict]) -> None:
    for answer in answers:
        table = Table("", escape(answer["model"]), "", box=SIMPLE_HEAD)
        for option, probability in answer["probabilities"].items():
            mark = "[bold]" if option in answer["choice"] else ""
            bar = ProgressBar(total=1.0, completed=probability, width=40)
            table.add_row(mark + escape(option), bar, f"{mark}{100 * probability:.1f}%")
        print_table(table)
        if answer["truncated_tokens"]:
            click.echo(f"{answer['truncated_tokens']} tokens were cut to make it fit.")
