"""The command line: `mcqa COMMAND`. A command's module is imported when the command is used.

Exit codes: 0 fine, 1 failure, 2 bad input or usage, 130 interrupted by Ctrl-C. An error is one red
line; `--debug` anywhere on the line shows the traceback. Of several processes (`torchrun`,
`accelerate launch`) the main one prints, and the first that failed reports its error.
"""

import importlib
import os
import sys

import click

from mcqa import __version__
from mcqa.errors import ConfigError, McqaError
from mcqa.system import processes

COMMANDS = {
    "demo": "Train both formulations on bundled questions and compare them.",
    "check": "Look for what is wrong with a data set.",
    "index": "Build an index of passages for --context retrieved.",
    "train": "Fine-tune a model: generative or multiple-choice.",
    "recipes": "List what can be trained, with trainable parameters for a model.",
    "memory": "Estimate how much memory training a model takes.",
    "score": "Score a data set with one model.",
    "distill": "Write a model's probabilities beside questions, to learn from.",
    "evaluate": "Score a data set with several models and compare them.",
    "study": "Find out which formulation is better, over seeds and sizes.",
    "compare": "Compare predictions files over the same questions.",
    "page": "Ask runs, compare, train and check data in a browser.",
    "report": "Draw an evaluation's report again, without scoring.",
    "retention": "Find out what tuning made a model forget.",
    "merge": "Merge a run into a plain model folder.",
    "export": "Write a run for transformers, vLLM, llama.cpp or onnxruntime.",
    "push": "Put a run on the Hugging Face Hub, or write the folder for it.",
    "harness": "Run lm-evaluation-harness with the model mcqa.",
    "doctor": "Show versions, device, 4-bit support, model and caches.",
}
INTERRUPTED = 130
SHARED = ("train", "score", "distill", "evaluate")  # what several processes can do together


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports a command's module on use."""

    def list_commands(self, context):
        return list(COMMANDS)

    def get_command(self, context, name):
        if processes.count() > 1 and name in COMMANDS and name not in SHARED:
            raise ConfigError(
                f"mcqa {name} runs in one process; {processes.count()} were started. Several "
                f"processes share the work of {', '.join(SHARED)}."
            )
        return importlib.import_module(f"mcqa.cli.{name}").command if name in COMMANDS else None

    def format_commands(self, context, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="Add --debug to any command to see the traceback of an error.",
)
@click.version_option(__version__, prog_name="mcqa")
def app():
    """Answer multiple-choice questions with a decoder LLM, two ways, and compare them fairly."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if not (processes.is_main() or debug):
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  until this process ends
    with processes.together():
        code = _run(arguments, debug)
    sys.exit(code)


def _run(arguments: list[str], debug: bool) -> int:
    """Run a command and return its exit code, or print its error and exit."""
    try:
        result = app.main(args=arguments, prog_name="mcqa", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort as stop:  # click's word for a KeyboardInterrupt, its cause
        code, shown = INTERRUPTED, str(stop.__cause__ or "") or "interrupted."
    except click.ClickException as error:
        code, shown = error.exit_code, error
    except Exception as error:
        if debug:
            raise
        code, shown = 1, f"{type(error).__name__}: {error} (add --debug to see where)"
        if isinstance(error, McqaError):
            code, shown = error.exit_code, str(error)
    with processes.reporting_an_error(everywhere=code == INTERRUPTED) as mine:
        file = None if processes.is_main() else sys.__stderr__
        if mine and isinstance(shown, click.ClickException):
            shown.show(file)
        elif mine:
            click.secho(f"Error: {shown}", fg="red", file=file, err=True)
    sys.exit(code)  # others are not waited for, as after a return
