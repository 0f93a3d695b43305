"""`mcqa report`: an evaluation's folder drawn again, without a model."""

import pytest

from mcqa.question import Question


@pytest.fixture
def evaluation(command, tiny_model_folder, question_file, tmp_path):
    """A folder that `mcqa evaluate` wrote for two scorers of one model."""
    models = [f"--model={tiny_model_folder}:{scorer}" for scorer in ("text", "generate")]
    result = command("evaluate", *models, "--data", question_file, "--output", tmp_path)
    assert result.code == 0, result.err
    return tmp_path


def test_the_report_is_drawn_again_and_says_the_same(command, evaluation, monkeypatch):
    names = ("report.html", "report.md", "comparison.json", "per_question.csv")
    before = {name: (evaluation / name).read_bytes() for name in names}
    for name in names:
        (evaluation / name).unlink()
    monkeypatch.setattr("mcqa.scoring.loading.load_scorer", None)
    result = command("report", evaluation)
    assert result.code == 0, result.err
    assert {name: (evaluation / name).read_bytes() for name in names} == before
    assert f"{evaluation.name}" in result.err
    assert "generate" in result.out


def test_texts_can_be_left_out(command, evaluation, tiny_questions):
    def shown():
        return [q for q in tiny_questions if q.stem in (evaluation / "report.html").read_text()]

    assert isinstance(shown()[0], Question)
    assert command("report", evaluation, "--without-texts").code == 0
    assert shown() == []


def test_another_folder_is_refused(refused, tmp_path):
    assert "no evaluation.json in it" in refused("report", tmp_path)


def test_one_run_and_one_without_labels_are_drawn_too(
    command, runs, unlabelled_file, question_file, tmp_path
):
    for data in (question_file, unlabelled_file):
        flags = ["--model", runs["multiple-choice"], "--data", data, "--output", tmp_path]
        flags += ["--overwrite"]
        assert command("evaluate", *flags).code == 0
        page = (tmp_path / "report.html").read_bytes()
        assert command("report", tmp_path).code == 0
        assert (tmp_path / "report.html").read_bytes() == page
