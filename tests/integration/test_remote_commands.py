"""A server's name wherever a model is scored: the same numbers as the run that it serves."""

import json

import pytest
from misbehaving import misbehaving
from served import serving

import mcqa
from mcqa.prediction import read_predictions
from mcqa.serving.hosted import host


@pytest.fixture(scope="module")
def server(runs):
    scorer = mcqa.load_scorer(str(runs["multiple-choice"]), device="cpu")
    with serving([host("head", scorer)], invariant=True) as served:
        yield f"{served.url}/v1/systemone#head"


def test_a_server_scores_as_its_run(command, server, runs, question_file, tmp_path):
    where = ["--data", question_file, "--limit", 12, "--output"]
    there = command("score", "--model", server, *where, tmp_path / "there.jsonl")
    here = ["score", "--model", runs["multiple-choice"], "--device", "cpu"]
    assert there.code == command(*here, *where, tmp_path / "here.jsonl").code == 0, there.err
    pairs = zip(
        *(read_predictions(tmp_path / f"{p}.jsonl") for p in ("here", "there")), strict=True
    )
    for own, other in pairs:
        assert (own.id, own.label) == (other.id, other.label)
        assert own.probabilities == pytest.approx(other.probabilities, abs=1e-6)


def test_a_head_a_generative_run_and_a_server_are_compared(
    command, server, runs, question_file, tmp_path
):
    models = [runs["multiple-choice"], runs["generative"], server]
    flags = [flag for model in models for flag in ("--model", model)]
    flags += ["--data", question_file, "--limit", 12, "--device", "cpu", "--output", tmp_path]
    result = command("evaluate", *flags, "--format", "json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert len(report["comparisons"]) == 3
    assert (tmp_path / "report.html").is_file()
    files = sorted(tmp_path.glob("*/predictions.jsonl"))
    assert len(files) == 3
    compared = command("compare", *files, "--output", tmp_path / "again")
    assert compared.code == 0, compared.err


def test_a_killed_job_goes_on_where_it_was(command, question_file, tmp_path):
    def answer(number, body):
        labels = list(body["questions"]["question"]["criteria"])
        own = {label: 1 / len(labels) for label in labels}
        return {"answers": {"question": {"probabilities": own}}}

    with misbehaving(answer) as served:
        name = f"{served.url}/v1/systemone#any"
        score = ["score", "--model", name, "--data", question_file, "--batch-size", 1]
        score += ["--output", tmp_path / "p.jsonl"]
        first = command(*score, "--max-requests", 20)
        assert first.code == 1
        assert "all 20 requests" in first.err
        again = command(*score)
    assert again.code == 0, again.err
    assert "20 answers are taken over" in " ".join(again.err.split())
    assert len(served.asked) == 36


def test_what_needs_weights_is_refused(refused, server, question_file):
    assert "a server can be scored" in refused("check", question_file, "--model", server)
    score = ["score", "--model", server, "--data", question_file, "--output", "x"]
    assert "use systemone" in refused(*score, "--scorer", "text")
