"""What comes from data, names and the environment does no harm in what is written."""

import csv
import json
import traceback
from dataclasses import asdict
from html.parser import HTMLParser

import pytest

from mcqa.cli import main
from mcqa.errors import ModelError
from mcqa.question import Question

SCRIPT, IMAGE, FORMULA = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "=HYPERLINK(1)",
)
NAME = "<script>alert(1)[red][bold]"
TOKEN = "hf_thisIsASecretOfTheEnvironment"


@pytest.fixture(scope="module")
def hostile():
    """Twelve questions that are up to no good in every field."""
    return [
        Question(
            id=("../../outside", "/tmp/outside", FORMULA, f"{IMAGE}")[n % 4] + str(n),
            stem=f"{SCRIPT} question {n}?",
            options=(f"{IMAGE} pear {n}", f"{SCRIPT} old rusty saw {n}", "@nail"),
            label=n % 3,
            context=SCRIPT,
            subject=(FORMULA, IMAGE)[n % 2],
        )
        for n in range(12)
    ]


@pytest.fixture(scope="module")
def evaluation(run_main, runs, tiny_model_folder, hostile, tmp_path_factory):
    """The folder of an evaluation of hostile questions, with a model of a hostile name."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / NAME).symlink_to(tiny_model_folder)
    data = folder / f"{IMAGE}.jsonl"
    data.write_text("".join(json.dumps(asdict(question)) + "\n" for question in hostile))
    models = ["--model", folder / NAME, "--model", f"{folder / NAME}:letter"]
    output = folder / "inside" / "evaluation"
    assert run_main("evaluate", *models, "--data", data, "--output", output) == 0
    return output


class Page(HTMLParser):
    """Collect a page's tags, attributes and text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


def test_no_text_becomes_markup(evaluation):
    page = Page((evaluation / "report.html").read_text())
    assert not {"script", "img"} & page.tags
    assert "onerror" not in page.attributes
    for shown in (f"{SCRIPT} question", f"{IMAGE} pear", IMAGE, FORMULA, NAME):
        assert shown in page.text
    markdown = (evaluation / "report.md").read_text()
    assert "&lt;script&gt;" in markdown
    assert "<script" not in markdown
    assert "<img" not in markdown
    for plot in evaluation.rglob("*.svg"):
        assert "<script" not in plot.read_text()


def test_no_cell_is_a_formula(evaluation, hostile):
    rows = list(csv.reader((evaluation / "per_question.csv").open(newline="")))
    assert [row[0].removeprefix("'") for row in rows[1:]] == [question.id for question in hostile]
    assert {row[1] for row in rows[1:]} == {f"'{FORMULA}", IMAGE}
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_no_id_is_a_path(evaluation):
    written = {path for path in evaluation.parents[1].rglob("*") if path.is_file()}
    assert {path.name for path in written if "evaluation" not in path.parts} == {f"{IMAGE}.jsonl"}
    assert not any("outside" in path.name for path in written)


def test_a_model_named_by_two_dots_is_written_inside(
    command, tiny_model_folder, question_file, tmp_path, monkeypatch
):
    (tmp_path / "model" / "here").mkdir(parents=True)
    for path in tiny_model_folder.iterdir():
        (tmp_path / "model" / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path / "model" / "here")
    models = ["--model", "..", "--model", "..:text", "--data", question_file, "--limit", 4]
    assert command("evaluate", *models, "--output", tmp_path / "out" / "evaluation").code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["evaluation"]
    assert (tmp_path / "out" / "evaluation" / "model" / "predictions.jsonl").is_file()


def test_no_token_is_written(command, training, question_file, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    run = tmp_path / "run"
    flags = ["--max-steps", 1, "--report-to", "tensorboard", "--output", run, "--debug"]
    evaluated = ["--model", run, "--data", question_file, "--output", tmp_path / "evaluation"]
    for arguments in (
        ["train", "generative", *training, *flags],
        ["evaluate", *evaluated, "--debug"],
        ["merge", run, "--output", tmp_path / "merged", "--device", "cpu", "--debug"],
    ):
        result = command(*arguments)
        assert result.code == 0, result.err
        assert TOKEN not in result.out + result.err
    debugged = ["--data", str(question_file), "--output", str(tmp_path / "p.jsonl"), "--debug"]
    with pytest.raises(ModelError, match="owner/absent") as error:
        main(["score", "--model", "owner/absent", *debugged])
    assert TOKEN not in "".join(traceback.format_exception(error.value))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"run.json", "README.md", "training_log.jsonl", "evaluation.json", "report.html"} <= {
        path.name for path in files
    }
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
