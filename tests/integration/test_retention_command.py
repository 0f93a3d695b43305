"""`mcqa retention`: what a run forgot, counted again from the predictions that it leaves."""

import json
from collections import Counter

import pytest
from scipy.stats import binomtest

from mcqa.formulations import generative
from mcqa.prediction import read_predictions
from mcqa.scoring.scorer import Scorer

SUBJECTS = ("fruit", "tools", None)


@pytest.fixture(scope="module")
def old_file(tmp_path_factory, tiny_questions):
    """Questions whose right answers are what the runs were trained not to say, by subject."""
    path = tmp_path_factory.mktemp("old") / "old.jsonl"
    rows = [
        {
            "id": q.id,
            "question": q.stem,
            "options": q.options,
            "label": (q.label + number % 2) % len(q.options),
            "subject": SUBJECTS[number % 3],
        }
        for number, q in enumerate(tiny_questions)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def check(command, runs, old_file, tmp_path):
    def run(formulation, *more):
        flags = ["--data", old_file, "--output", tmp_path / "out", "--device", "cpu"]
        result = command("retention", runs[formulation], *flags, "--batch-size", 12, *more)
        return result, tmp_path / "out"

    return run


def answers(folder):
    """Return the predictions of base and run by question."""
    names = [run["folder"] for run in json.loads((folder / "evaluation.json").read_text())["runs"]]
    return [
        {p.id: p for p in read_predictions(folder / name / "predictions.jsonl")} for name in names
    ]


def test_forgotten_and_gained_are_counted_by_question_and_by_subject(check, old_file):
    result, folder = check("generative", "--format", "json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told == json.loads((folder / "retention.json").read_text())
    base, run = answers(folder)
    subject = {row["id"]: row["subject"] for row in map(json.loads, old_file.open())}
    forgotten = [id for id in base if base[id].correct and not run[id].correct]
    gained = [id for id in base if run[id].correct and not base[id].correct]
    assert forgotten
    assert gained
    known = sum(p.correct for p in base.values())
    assert (told["forgotten"]["n"], told["forgotten"]["of"]) == (len(forgotten), known)
    assert (told["gained"]["n"], told["gained"]["of"]) == (len(gained), 36 - known)
    assert told["difference"] == pytest.approx((len(gained) - len(forgotten)) / 36)
    expected = binomtest(len(gained), len(gained) + len(forgotten)).pvalue
    assert told["mcnemar"]["p_value"] == pytest.approx(expected)
    low, high = told["difference_ci95"]
    assert low <= told["difference"] <= high
    for name, ids in (("forgotten", forgotten), ("gained", gained)):
        rows = [json.loads(line) for line in (folder / f"{name}.jsonl").open()]
        assert [row["id"] for row in rows] == ids
        assert {row["id"]: row["subject"] for row in rows} == {id: subject[id] for id in ids}
        assert all(set(row) == {"id", "subject", "label", "chosen_instead"} for row in rows)
        counts = Counter(subject[id] for id in ids)
        for group in ("fruit", "tools"):
            assert told["per_subject"][group][name] == counts[group]
    assert told["per_subject"].keys() == {"fruit", "tools"}
    assert told["per_subject"]["fruit"]["n"] == 12
    assert told["note"] is None
    assert told["base"]["scorer"] == told["run"]["scorer"] == "text-mean"


def test_both_answer_as_alone_and_the_base_is_loaded_once(
    check, command, runs, tiny_model_folder, old_file, tmp_path, monkeypatch
):
    expected = []
    for model, more in ((tiny_model_folder, ["--dtype", "float32"]), (runs["generative"], [])):
        flags = ["--model", model, "--data", old_file, "--device", "cpu", "--batch-size", 12]
        output = tmp_path / f"{len(expected)}.jsonl"
        assert command("score", *flags, *more, "--output", output).code == 0
        expected.append({p.id: p for p in read_predictions(output)})
    loads, load = [], generative.load_weights
    monkeypatch.setattr(
        generative, "load_weights", lambda *a, **k: loads.append(a) or load(*a, **k)
    )
    result, folder = check("generative")
    assert result.code == 0, result.err
    assert answers(folder) == expected
    assert len(loads) == 1


def test_a_head_is_compared_with_a_base_asked_by_text_and_that_is_said(check):
    result, folder = check("multiple-choice")
    assert result.code == 0, result.err
    told = json.loads((folder / "retention.json").read_text())
    assert (told["base"]["scorer"], told["run"]["scorer"]) == ("text-mean", "head")
    said = "The run is scored with head, its base with text-mean"
    assert said in result.out
    assert said in told["note"]
    assert said in (folder / "report.html").read_text()
    assert "Forgotten: " in result.out
    assert " that the base answers right" in result.out
    assert told["verdict"] in result.out
    assert "fruit" in result.out


def test_an_interrupted_check_goes_on_and_ends_the_same(check, monkeypatch):
    result, folder = check("generative")
    assert result.code == 0
    unbroken = [(folder / "retention.json").read_bytes(), answers(folder)]
    score_batch, done = Scorer._score_batch, []

    def score(self, batch):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(batch)
        return score_batch(self, batch)

    monkeypatch.setattr(Scorer, "_score_batch", score)
    result, _ = check("generative", "--overwrite")
    assert result.code == 130
    assert not (folder / "retention.json").exists()
    monkeypatch.setattr(Scorer, "_score_batch", score_batch)
    result, _ = check("generative")
    assert result.code == 0
    assert "answers are taken over" in result.err
    assert [(folder / "retention.json").read_bytes(), answers(folder)] == unbroken
