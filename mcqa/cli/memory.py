"""`mcqa memory`: will it fit? The settings are those of `mcqa train`."""

import functools

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mcqa.cli.common import format_option, print_json, print_table, say
from mcqa.cli.train import setting_option
from mcqa.evaluation import numbers
from mcqa.formulations.head import HeadOptions
from mcqa.models.recipes.table import SETTINGS as RECIPE_SETTINGS
from mcqa.training.config import TrainingConfig, load_config

SETTINGS = ("model", "recipe", "quantization", "dtype", "device", "optimizer")
SETTINGS += ("gradient_checkpointing", "objective", *RECIPE_SETTINGS, *HeadOptions.model_fields)
MEANINGS = {
    "weights": "the model's own, as it is held",
    "adapter": "what the recipe adds, and the head",
    "gradients": "of what trains",
    "optimizer": "its state",
    "activations": "kept by the forward pass for the backward pass",
    "temporaries": "all else at the highest moment",
    "total": "the highest moment of a step",
}
number_option = functools.partial(click.option, type=click.IntRange(1), show_default=True)


@click.command("memory")
@click.option(
    "--formulation",
    type=click.Choice(["generative", "multiple-choice"]),
    default="generative",
    show_default=True,
)
@click.option("--config", help="YAML file of settings, as for `mcqa train`; flags override it.")
@number_option("--batch-size", "--batch", help="Questions a forward pass.  [default: 16]")
@number_option(
    "--length",
    default=256,
    help="Tokens of a question with all that is trained on of its options.",
)
@number_option("--options", type=click.IntRange(2), default=4, help="Options of a question.")
@number_option("--option-length", default=8, help="Tokens of an option.")
@click.option("--measure", is_flag=True, help="Take training steps too, and measure.")
@number_option("--steps", type=click.IntRange(2), default=3, help="How many to measure.")
@click.option("--output", help="JSON file to write.")
@format_option
def command(
    formulation,
    config,
    length,
    options,
    option_length,
    measure,
    steps,
    output,
    output_format,
    **flags,
):
    """Say how much memory training a model takes, from its configuration alone.

    Nothing is downloaded or loaded but config.json: a folder that holds no more will do. The
    settings are those of `mcqa train`. With --measure training steps are taken on made-up
    questions of the same size, in a process of their own.

    \b
    mcqa memory --model smollm2-135m --recipe qlora --batch-size 8 --length 256 --measure
    """
    flags = {name: value for name, value in flags.items() if value not in (None, ())}
    settings = load_config(config, flags)
    from mcqa.footprint.estimating import estimate
    from mcqa.footprint.measuring import measure as take_steps
    from mcqa.footprint.plan import Plan, Shape
    from mcqa.system.files import require_file, write_json

    path = require_file(output) if output else None
    shape = Shape(settings.batch_size, length, options, option_length)
    plan = Plan(formulation.replace("-", "_"), settings, shape, say)
    predicted, measured, ratio = estimate(plan), None, None
    if measure:
        measured = take_steps(plan.formulation.NAME, settings, shape, steps)
        both = {part: (predicted[part], measured[part]) for part in MEANINGS if part in measured}
        ratio = {part: guess / size if size else None for part, (guess, size) in both.items()}
    about = {
        "model": settings.model,
        "formulation": plan.formulation.NAME,
        "objective": plan.objective.name,
        "recipe": settings.recipe,
        "quantization": settings.quantization,
        "dtype": str(plan.dtype).removeprefix("torch."),
        "optimizer": plan.optimizer,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "device": plan.device,
        **shape._asdict(),
    }
    report = {"settings": about, "predicted": predicted, "measured": measured, "ratio": ratio}
    if path:
        write_json(path, report)
        say(f"Written: {path}")
    if output_format == "json":
        print_json(report)
    else:
        _print(report)


command.params[1:1] = [setting_option(name, TrainingConfig.model_fields[name]) for name in SETTINGS]


def _print(report: dict) -> None:
    settings, predicted, measured = (report[n] for n in ("settings", "predicted", "measured"))
    told = "recipe", "quantization", "dtype", "optimizer", "objective", "device"
    say(", ".join(f"{name} {settings[name]}" for name in told))
    table = Table("part", box=SIMPLE_HEAD)
    for heading in ("size", "at the peak", *(("measured", "ratio") if measured else ())):
        table.add_column(heading, justify="right")
    table.add_column("what it is")
    at_peak = predicted["at_peak"] | {"total": predicted["total"]}
    for part, meaning in MEANINGS.items():
        cells = [numbers.format_bytes(predicted.get(part)), numbers.format_bytes(at_peak[part])]
        if measured:
            ratio = report["ratio"].get(part)
            cells.append(numbers.format_bytes(measured.get(part)))
            cells.append(numbers.UNKNOWN if ratio is None else f"{ratio:.2f}")
        table.add_row(part, *cells, meaning)
    print_table(table)
    if measured:
        baseline = numbers.format_bytes(measured["baseline"])
        click.echo(f"Python and libraries hold {baseline} beside that.")
