"""`mcqa.load_scorer` on what the commands leave behind: the same numbers as theirs."""

import json

import pytest

import mcqa


@pytest.fixture(params=["folder", "generative", "multiple-choice"])
def model(request, runs, tiny_model_folder):
    """A model folder, and a run folder of each formulation."""
    return str({"folder": tiny_model_folder, **runs}[request.param])


@pytest.fixture
def scorer(model):
    return mcqa.load_scorer(model, device="cpu", dtype="float32")


def test_one_question_and_many_get_the_same_scores(scorer, tiny_questions):
    many = scorer.score_many(tiny_questions[:6], batch_size=4)
    for question, result in zip(tiny_questions, many, strict=False):
        one = scorer.score(question)
        assert isinstance(one, mcqa.Prediction)
        assert (one.id, one.choice, one.unit) == (question.id, result.choice, result.unit)
        assert one.scores == pytest.approx(result.scores, rel=1e-4, abs=1e-5)


def test_a_model_loaded_again_scores_the_same(scorer, model, tiny_questions):
    again = mcqa.load_scorer(model, device="cpu", dtype="float32")
    assert again.score_many(tiny_questions) == scorer.score_many(tiny_questions)


def test_the_command_scores_as_the_library_does(
    scorer, model, command, question_file, tiny_questions, tmp_path
):
    flags = ["--device", "cpu", "--dtype", "float32", "--output", tmp_path / "p.jsonl"]
    assert command("score", "--model", model, "--data", question_file, *flags).code == 0
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").open()]
    questions = mcqa.load_questions(question_file)
    assert [list(p.scores) for p in scorer.score_many(questions)] == [r["scores"] for r in rows]


def test_labels_are_carried_and_never_looked_at(scorer, tiny_questions):
    question = tiny_questions[0]
    bare = mcqa.Question(stem=question.stem, options=question.options, context=question.context)
    result, other = scorer.score(question), scorer.score(bare)
    assert (result.label, other.label) == (question.label, None)
    assert result.scores == other.scores


def test_progress_counts_every_question_once(scorer, tiny_questions):
    counts = []
    scorer.score_many(tiny_questions[:7], batch_size=3, on_progress=counts.append)
    assert sum(counts) == 7
    assert max(counts) <= 3


def test_no_questions_are_no_predictions(scorer):
    assert scorer.score_many([]) == []


def test_errors_are_of_one_family(tmp_path):
    with pytest.raises(mcqa.McqaError):
        mcqa.load_scorer(str(tmp_path))
    with pytest.raises(mcqa.McqaError):
        mcqa.Question(stem="", options=("a", "b"))
