"""Every command that README, docs and configs show is one that this version takes."""

import re
import shlex
from pathlib import Path

import click
import pytest

from mcqa.cli import COMMANDS, app
from mcqa.training.config import load_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
LAUNCHED = re.compile(r"^(?:torchrun|accelerate launch) .* -m (?=mcqa )")
FOREIGN = {"--no-deps", "--log_samples"}  # pip's and lm-evaluation-harness's


def _bash_lines(text):
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def _shown(path):
    """Yield the lines of a file's bash blocks and its code spans, or of a config's comments.

    Not what stands in double backticks: messages, which name commands without their options.
    """
    text = re.sub(r"``[^\n]*?``(?!`)", "", path.read_text(encoding="utf-8"))
    if path.suffix == ".yaml":
        yield from (line.removeprefix("#") for line in text.splitlines() if line.startswith("#"))
        return
    yield from _bash_lines(text)
    yield from re.findall(r"`(mcqa [^`\n]+)`", text)


def _documented():
    for path in (*PAGES, *CONFIGS):
        for line in _shown(path):
            command = LAUNCHED.sub("", line.strip())
            if command.startswith("mcqa "):
                words = shlex.split(command, comments=True)[1:]
                yield pytest.param(words, id=f"{path.name}: {' '.join(words[:4])}")


def _options(command):
    if isinstance(command, click.Group):
        subcommands = (command.get_command(None, name) for name in command.list_commands(None))
        return set().union(*map(_options, subcommands))
    return {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}


@pytest.fixture
def parse(monkeypatch):
    """Parse a command line as `mcqa` does, and do not run it."""
    contexts = []
    monkeypatch.setattr(click.Command, "invoke", lambda command, context: contexts.append(context))
    monkeypatch.chdir(ROOT)

    def run(arguments):
        app.main(args=arguments, prog_name="mcqa", standalone_mode=False)
        return contexts[-1]

    return run


def test_commands_are_found_in_the_pages():
    lines = [" ".join(parameter.values[0]) for parameter in _documented()]
    for command in ("train generative", "train multiple-choice", "evaluate", "score", "compare"):
        assert any(line.startswith(command) for line in lines)


@pytest.mark.parametrize("arguments", _documented())
def test_a_shown_command_is_understood(parse, arguments):
    if "--help" in arguments:
        assert app.main(args=arguments, prog_name="mcqa", standalone_mode=False) == 0
        return
    context = parse(arguments)
    assert context.command_path.split()[1] in COMMANDS
    if context.parent.command.name == "train":
        flags = {name: v for name, v in context.params.items() if v not in (None, ())}
        del flags["output_format"]
        load_config(flags.pop("config", None), flags)


@pytest.mark.parametrize("arguments", [["score", "--modell", "x"], ["explain"], ["train", "both"]])
def test_a_command_that_does_not_exist_would_be_found(parse, arguments):
    with pytest.raises(click.UsageError):
        parse(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_evaluation_of_a_page_is_refused_for_another_one_of_it(page):
    commands = [LAUNCHED.sub("", line.strip()) for line in _bash_lines(page.read_text("utf-8"))]
    outputs = [
        re.findall(r"--output (\S+)", command)
        for command in commands
        if command.startswith("mcqa evaluate ") and "--overwrite" not in command
    ]
    assert len(set(map(tuple, outputs))) == len(outputs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_flag_shown_by_itself_exists(page):
    spans = re.findall(r"`(--[^`\n]+)`", page.read_text(encoding="utf-8"))
    shown = {flag for span in spans for flag in re.findall(r"--[a-z][a-z_-]*", span)}
    assert shown <= _options(app) | FOREIGN


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_the_project_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:configs|scripts)/[\w./-]+\.(?:yaml|py)\b", text))
    named |= {str(page.parent / link) for link in re.findall(r"\]\((?!https?:)([^)#\s]+)\)", text)}
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]
