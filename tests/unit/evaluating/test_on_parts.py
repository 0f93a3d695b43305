"""Folders of parts are evaluated part by part, and only where they are of the same questions."""

import json

import pytest

from mcqa.errors import DataError
from mcqa.evaluating import on_parts
from mcqa.evaluating.on_parts import evaluate_parts
from mcqa.evaluation.metrics import summarize
from mcqa.prediction import Prediction
from mcqa.scoring import cutting, parts
from mcqa.scoring.parts import MANIFEST, Place


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    """Run tasks here, the last first, and return how many there were."""
    ran = []

    def run_tasks(function, items, **machines):
        for number, item in reversed(list(enumerate(items))):
            ran.append(item)
            yield number, function(item)

    monkeypatch.setattr(on_parts, "run_tasks", run_tasks)
    return ran


@pytest.fixture
def scored(tmp_path, tiny_questions):
    """Write a finished folder of parts of 10 questions; the first option that a text is in wins."""
    data = tmp_path / "q.jsonl"
    rows = [
        {"id": q.id, "question": q.stem, "options": q.options, "label": q.label, "subject": q.stem}
        for q in tiny_questions
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write(name, text, leave_out=()):
        folder = Place.of(str(tmp_path / name))
        record = cutting.read_file(folder, 0, Place.of(str(data)), 10, {"format": "generic"})
        done = []
        for part in record["parts"]:
            answers = []
            for question in parts.questions_of(folder, part):
                scores = [float(text in option) for option in question.options]
                about = {"unit": "nats", "scorer": "text", "tokens": 3}
                answers.append(Prediction.scored(question, scores, **about))
            kept = [answer for answer in answers if answer.id not in leave_out]
            done.append(parts.write_part(folder, part, kept))
        (folder / MANIFEST).write_json({"parts": done})
        return folder

    return write


def test_metrics_and_comparison_are_written_where_they_belong(scored, tasks, tmp_path):
    folders = {"a": scored("a", "a"), "b": scored("b", "e", leave_out=("q0", "q15"))}
    metrics, comparisons = evaluate_parts(folders, Place.of(str(tmp_path)))
    assert len(tasks) == 4
    for name, folder in folders.items():
        summary = summarize(list(parts.read_parts(folder)))
        written = json.loads((folder / "metrics.json").read())
        assert written == json.loads(json.dumps(metrics[name]))
        assert (written["n"], written["accuracy"]) == (summary["n"], summary["accuracy"])
        assert sum(of["n"] for of in written["per_subject"].values()) == summary["n"]
        assert len(written["per_subject"]) == 3
    (comparison,) = comparisons
    assert comparison["n"] == 34  # that both answered
    assert json.loads((tmp_path / "comparison.json").read_text()) == comparison
    assert "nll" in comparison["metrics"]


def test_folders_of_other_questions_and_unfinished_ones_are_refused(scored, tmp_path):
    folders = {"a": scored("a", "a"), "b": scored("b", "e")}
    manifest = (folders["b"] / MANIFEST).read_json()
    for changed in ({"parts": manifest["parts"][:-1]}, {"parts": []}):
        (folders["b"] / MANIFEST).write_json(changed)
        with pytest.raises(DataError, match=r"/b: not finished, or not of the questions of .*/a\."):
            evaluate_parts(folders, Place.of(str(tmp_path)))
