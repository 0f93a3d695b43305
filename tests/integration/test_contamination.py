"""A run that was trained on some of the questions it is evaluated on."""

import json
from dataclasses import replace

import pytest

from mcqa.data import load_questions


@pytest.fixture(scope="module")
def mixed(tiny_questions, validation_file, tmp_path_factory):
    """Ten questions of the training under other ids, five in other letters, nine others."""
    exact = [replace(q, id=f"e{n}") for n, q in enumerate(tiny_questions[:10])]
    near = [replace(q, id=f"n{q.id}", stem=q.stem.upper()) for q in tiny_questions[20:25]]
    others = load_questions(str(validation_file))[:9]
    path = tmp_path_factory.mktemp("mixed") / "mixed.jsonl"
    rows = [
        {"id": q.id, "question": q.stem, "options": q.options, "label": q.label}
        for q in (*exact, *near, *others)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def flags(runs, tiny_model_folder, mixed):
    models = ["--model", runs["multiple-choice"], "--model", f"{tiny_model_folder}:text"]
    return ["evaluate", *models, "--data", mixed, "--device", "cpu"]


def test_an_evaluation_says_how_many_and_the_accuracy_without(command, flags, tmp_path):
    result = command(*flags, "--output", tmp_path / "out")
    assert result.code == 0, result.err
    sentence = "multiple-choice was trained on 15 of the 24 questions evaluated here"
    assert f"{sentence} (10 exactly, 5 as near-duplicates)" in result.err
    assert result.err.count("was trained on") == 1  # of a base model it is not known
    folder = tmp_path / "out/multiple-choice"
    found = json.loads((folder / "metrics.json").read_text())["trained_on"]
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").open()]
    rest = [row["choice"] == row["label"] for row in rows if row["id"].startswith("v")]
    assert (found["exact"], found["near"], found["without"]["n"]) == (10, 5, 9)
    assert found["without"]["value"] == pytest.approx(sum(rest) / 9)
    page = (tmp_path / "out/report.md").read_text()
    assert "| Of these trained on | 10 exactly, 5 nearly | – |" in page
    assert "| Accuracy without them |" in page

    # taken over under the ids of another file, it is still known
    again = ["evaluate", "--from-predictions", tmp_path / "out", *flags[-4:]]
    taken = command(*again, "--output", tmp_path / "taken")
    assert taken.code == 0, taken.err
    assert f"{sentence} (10 exactly, 5 as near-duplicates)" in taken.err


def test_they_are_left_out_for_all_runs_if_asked(command, flags, tmp_path):
    result = command(*flags, "--exclude-trained", "--output", tmp_path / "out")
    assert result.code == 0, result.err
    assert "15 questions were trained on and are left out." in result.err
    for name in (path.parent for path in (tmp_path / "out").glob("*/predictions.jsonl")):
        ids = [json.loads(line)["id"] for line in (name / "predictions.jsonl").open()]
        assert len(ids) == 9
        assert all(id.startswith("v") for id in ids)
    assert "trained on" not in (tmp_path / "out/report.md").read_text()


def test_nothing_left_is_refused(refused, runs, question_file, tmp_path):
    flags = ["--data", question_file, "--exclude-trained", "--output", tmp_path / "out"]
    message = refused("evaluate", "--model", runs["multiple-choice"], *flags)
    assert "all 36 questions were trained on" in message
