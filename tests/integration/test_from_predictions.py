"""`mcqa evaluate --from-predictions`: answers that are there, and a further model beside them."""

import json

import pytest

from mcqa.question import LETTERS


@pytest.fixture(scope="module")
def theirs(tiny_questions, tmp_path_factory):
    """Letters for all but two of the questions, the right ones for every other."""
    path = tmp_path_factory.mktemp("theirs") / "theirs.csv"
    rows = [f"{q.id},{LETTERS[(q.label + n % 2) % 2]}" for n, q in enumerate(tiny_questions[2:])]
    path.write_text("\n".join(["id,choice", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def first(run_main, runs, question_file, theirs, tmp_path_factory):
    """An evaluation of one run and the file; beside it a further one of another."""
    folder = tmp_path_factory.mktemp("first") / "out"
    flags = ["--from-predictions", theirs, "--data", question_file, "--device", "cpu"]
    model = ["--model", runs["generative"]]
    assert run_main("evaluate", *model, *flags, "--output", folder) == 0
    return folder


def test_a_file_and_a_model_make_one_page(first, tiny_questions):
    comparison = json.loads((first / "comparison.json").read_text())
    assert (comparison["a"]["name"], comparison["b"]["name"]) == ("theirs", "generative")
    assert comparison["n"] == 34
    assert comparison["paired"]["metrics"]["nll"]["difference"] is None  # only one has scores
    page = (first / "report.md").read_text()
    assert "| Run | theirs | generative |" in page
    rows = [json.loads(line) for line in (first / "theirs/predictions.jsonl").open()]
    assert [row["id"] for row in rows] == [q.id for q in tiny_questions[2:]]


def test_a_further_model_is_added_without_scoring_the_others(
    command, runs, first, question_file, tmp_path
):
    flags = ["--from-predictions", first, "--model", runs["multiple-choice"]]
    flags += ["--baseline", "generative", "--data", question_file, "--device", "cpu"]
    result = command("evaluate", *flags, "--output", tmp_path / "out")
    assert result.code == 0, result.err
    assert "Scoring 34 questions with 1 model(s): multiple-choice" in result.err
    for name in ("theirs", "generative"):
        kept = (first / name / "predictions.jsonl").read_bytes()
        assert (tmp_path / "out" / name / "predictions.jsonl").read_bytes() == kept
    comparison = json.loads((tmp_path / "out/comparison.json").read_text())
    pairs = [(c["a"]["name"], c["b"]["name"]) for c in (comparison, *comparison["others"])]
    assert pairs == [("generative", "theirs"), ("generative", "multiple-choice")]
    page = (tmp_path / "out/report.md").read_text()
    assert "Primary comparison: " in page
    assert "8,256" in page  # what the run taken over cost to train is known still


def test_a_baseline_that_is_no_model_is_refused_before_scoring(
    command, runs, question_file, tmp_path
):
    flags = ["--model", runs["generative"], "--data", question_file, "--baseline", "other"]
    result = command("evaluate", *flags, "--output", tmp_path / "out")
    assert result.code == 2
    assert "--baseline other is none of" in result.err
    assert "Scoring" not in result.err
