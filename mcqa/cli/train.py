"""`mcqa train generative|multiple-choice`: the options are made from `TrainingConfig`'s fields.

So a setting has one name, one default and one description, in YAML and on the command line.
"""

import types
import typing
from pathlib import Path

import click

from mcqa.cli.common import format_option, print_result, progress, say
from mcqa.cli.inputs import options
from mcqa.cli.revisions import at_revision, data_revision_option, revision_option
from mcqa.formulations.head import HeadOptions
from mcqa.training.config import TrainingConfig, load_config

FURTHER_FLAGS = {"data": ["--train-data"]}
METAVARS = {str: "TEXT", int: "INTEGER", float: "FLOAT"}


@click.group("train")
def command():
    """Fine-tune a model on multiple-choice questions and write a run folder."""


def setting_option(name: str, field) -> click.Option:
    """Make a command-line option of a setting; its default None means: not given."""
    flag, text, kind = "--" + name.replace("_", "-"), field.description, field.annotation
    while typing.get_origin(kind) in (types.UnionType, typing.Union, typing.Annotated):
        kind = typing.get_args(kind)[0]  # of `Annotated[kind, ...] | None`
    if typing.get_origin(kind) is tuple:
        default = f"  [default: {' '.join(field.default)}]" if field.default else ""
        text += f"; repeat it for several{default}"
        return click.Option([flag, *FURTHER_FLAGS.get(name, ())], multiple=True, help=text)
    if kind is bool:
        text += f"  [default: {'on' if field.default else 'off'}]"
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=None, help=text)
    if field.default is not None:
        text += f"  [default: {field.default}]"
    values = "|".join(typing.get_args(kind))  # of a Literal
    return click.Option([flag], metavar=values or METAVARS[kind], help=text)


def _add_command(formulation: str, purpose: str) -> None:
    @command.command(formulation.replace("_", "-"), help=purpose)
    @click.option("--config", help="YAML file of settings; flags override it.")
    @options(revision_option, data_revision_option, format_option)
    def train_it(config, output_format, revision, data_revision, **flags):
        flags = {name: value for name, value in flags.items() if value not in (None, ())}
        settings = load_config(config, flags)
        (model,) = at_revision([settings.model], revision, "--revision")
        data = at_revision(settings.data, data_revision, "--data-revision")
        settings = settings.model_copy(update={"model": model, "data": tuple(data)})
        from mcqa.runs.training_folder import saying_how_to_go_on
        from mcqa.training.run import train

        with saying_how_to_go_on(Path(settings.output)):
            record = train(formulation, settings, announce=say, progress=progress)
        print_result(record, output_format, lambda record: None)

    hidden = HeadOptions.model_fields if formulation == "generative" else ()
    fields = TrainingConfig.model_fields.items()
    train_it.params[-1:-1] = [setting_option(*each) for each in fields if each[0] not in hidden]


_add_command("generative", "Completion-only fine-tuning: the loss is on the answer's tokens.")
_add_command("multiple_choice", "Cross-entropy over the options' scores from a scalar head.")
