"""`mcqa score`: one line per question, by every scorer, and which scorers a model refuses."""

import json

import pytest

from mcqa.formulations import get_formulation
from mcqa.prediction import read_predictions

KEYS = ["id", "label", "choice", "scores", "probabilities", "unit", "scorer", "tokens", "truncated"]
SCORING = {"text": "cloze", "text-mean": "cloze", "text-char": "cloze", "pmi": "cloze"}
SCORING |= {"letter": "lettered"}
WRITING = {"constrained": "cloze", "generate": "lettered"}


@pytest.fixture
def score(command, question_file, tmp_path):
    """Score a few questions and return the result of the command and the lines of the file."""

    def run(model, *settings, data=question_file, limit=4):
        output = tmp_path / "folder" / "predictions.jsonl"
        flags = ["--model", model, "--data", data, "--limit", limit, "--output", output]
        result = command("score", *flags, *settings)
        assert result.code == 0, result.err
        assert len(read_predictions(output)) == limit
        return result, [json.loads(line) for line in output.open()]

    return run


def check(rows, questions, scorer, unit):
    """Check the lines of a scorer that scores: the contract's keys, and one number per option."""
    for row, question in zip(rows, questions, strict=True):
        assert list(row) == KEYS
        assert (row["id"], row["label"]) == (question.id, question.label)
        assert (row["scorer"], row["unit"]) == (scorer, unit)
        assert len(row["scores"]) == len(row["probabilities"]) == len(question.options)
        assert row["choice"] == row["scores"].index(max(row["scores"]))
        assert sum(row["probabilities"]) == pytest.approx(1)
        assert row["tokens"] > 0


def test_every_scorer_is_tested_here():
    assert get_formulation("generative").SCORERS.keys() == SCORING.keys() | WRITING.keys()
    textual = {"text", "text-mean", "text-char", "pmi"}
    assert get_formulation("multiple_choice").SCORERS.keys() == {"head"} | textual


@pytest.mark.parametrize("scorer", SCORING)
def test_scorers_that_score(score, tiny_model_folder, tiny_questions, scorer):
    result, rows = score(tiny_model_folder, "--scorer", scorer)
    check(rows, tiny_questions[:4], scorer, "nats")
    assert f"Scoring 4 questions with {scorer} ({SCORING[scorer]})" in result.err
    right = sum(row["choice"] == row["label"] for row in rows)
    assert result.out.startswith(f"accuracy {25 * right:.1f}%")
    assert "n = 4" in result.out


@pytest.mark.parametrize("scorer", WRITING)
def test_scorers_that_write(score, tiny_model_folder, scorer):
    result, rows = score(tiny_model_folder, "--scorer", scorer, limit=2)
    assert f"Scoring 2 questions with {scorer} ({WRITING[scorer]})" in result.err
    for row in rows:
        assert list(row) == [*KEYS, "text", "parsed"]
        assert (row["scores"], row["probabilities"], row["unit"]) == (None, None, None)
        assert isinstance(row["text"], str)
        assert (row["scorer"], row["tokens"] > 0) == (scorer, True)
        assert (row["choice"] is None) == (row["parsed"] == "unparsed")


def test_the_head_of_a_run(score, runs, tiny_questions):
    _, rows = score(runs["multiple-choice"], limit=36)
    check(rows, tiny_questions, "head", "logit")
    assert sum(row["choice"] == row["label"] for row in rows) >= 30  # chance is 11.6


def test_a_generative_run(score, runs, tiny_questions):
    _, rows = score(runs["generative"], limit=36)
    check(rows, tiny_questions, "text-mean", "nats")
    assert sum(row["choice"] == row["label"] for row in rows) >= 30


def test_a_runs_letter_scorer_with_another_template(score, runs):
    _, rows = score(runs["generative"], "--scorer", "letter", "--template", "lettered")
    assert {row["scorer"] for row in rows} == {"letter"}


def test_json_is_the_metrics(score, tiny_model_folder):
    result, rows = score(tiny_model_folder, "--format", "json", limit=5)
    metrics = json.loads(result.out)
    assert metrics["n"] == 5
    assert metrics["accuracy"] == sum(row["choice"] == row["label"] for row in rows) / 5
    assert metrics["tokens_per_question"] == sum(row["tokens"] for row in rows) / 5
    assert metrics["chance"] == pytest.approx(sum(1 / len(row["scores"]) for row in rows) / 5)


@pytest.mark.parametrize("output_format", ["table", "json"])
def test_unlabelled_questions_are_answered(
    score, tiny_model_folder, unlabelled_file, output_format
):
    flags = ["--format", output_format]
    result, rows = score(tiny_model_folder, *flags, data=unlabelled_file)
    assert all(row["label"] is None and row["choice"] is not None for row in rows)
    if output_format == "json":
        metrics = json.loads(result.out)
        assert (metrics["n"], metrics["unlabelled"], metrics["accuracy"]) == (0, 4, None)


def test_bundled_questions_and_their_splits(score, tiny_model_folder):
    kinds = {}
    for split in ("validation", "test"):
        _, rows = score(tiny_model_folder, "--split", split, data="bundled", limit=3)
        kinds[split] = {row["id"] for row in rows}
    assert not kinds["validation"] & kinds["test"]


def test_quantized_on_request(score, tiny_model_folder):
    plain = score(tiny_model_folder, "--dtype", "float32")[1]
    quantized = score(tiny_model_folder, "--dtype", "float32", "--quantization", "nf4")[1]
    assert [row["scores"] for row in plain] != [row["scores"] for row in quantized]


def test_a_scorer_of_the_other_formulation_is_refused(
    refused, runs, tiny_model_folder, question_file, tmp_path
):
    generative = ", ".join(get_formulation("generative").SCORERS)
    data = ["--data", question_file, "--output", tmp_path / "p.jsonl"]
    message = refused("score", "--model", runs["multiple-choice"], "--scorer", "text", *data)
    assert "multiple_choice: use head." in message
    for model in (runs["generative"], tiny_model_folder):
        message = refused("score", "--model", model, "--scorer", "head", *data)
        assert f"generative: use {generative}." in message
    message = refused("score", "--model", tiny_model_folder, "--scorer", "letters", *data)
    assert "'letters' does not exist" in message
    assert generative in message
    assert not (tmp_path / "p.jsonl").exists()


def test_letters_need_a_template_that_shows_them(
    refused, runs, tiny_model_folder, question_file, tmp_path
):
    data = ["--data", question_file, "--output", tmp_path / "p.jsonl"]
    for model in (["--model", runs["generative"]], ["--model", tiny_model_folder]):
        message = refused("score", *model, "--scorer", "letter", "--template", "cloze", *data)
        assert "'cloze' does not. Use --template lettered." in message


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--template", "letters"),
        ("--data-format", "squad"),
        ("--split", "test"),
        ("--device", "nonsense"),
        ("--max-length", 3),
        ("--model", "owner/no-such-model"),
        ("--model", "./no-such-folder"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    refused, tiny_model_folder, question_file, tmp_path, flag, value
):
    model = ["--model", tiny_model_folder, "--data", question_file]
    message = refused("score", *model, "--output", tmp_path / "p.jsonl", flag, value)
    assert str(value) in message


def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    refused, tiny_model_folder, question_file, tmp_path
):
    model = ["--model", tiny_model_folder, "--data", question_file]
    assert str(tmp_path) in refused("score", *model, "--output", tmp_path)


def test_a_damaged_adapter_is_refused(refused, runs, question_file, tmp_path):
    """The adapter of another run, in a folder whose record tells of this one."""
    (tmp_path / "run").mkdir()
    for path in runs["multiple-choice"].iterdir():
        if path.is_file():
            (tmp_path / "run" / path.name).write_bytes(path.read_bytes())
    file = tmp_path / "run" / "adapter_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 0x40
    file.write_bytes(content)
    data = ["--data", question_file, "--output", tmp_path / "p.jsonl"]
    assert "checksum" in refused("score", "--model", tmp_path / "run", *data)
