"""Compare, as streamlit runs it without a browser: questions of all kinds, and studies."""

import json
import re
import shutil

import mixed_answers
import pytest
import yaml
from pages import drawn, errors, findings, open_part

from mcqa.evaluating.folder import (
    Evaluation,
    Record,
    Validation,
    read_record,
    write_answers,
    write_record,
)
from mcqa.evaluating.results import read_comparisons, write_results
from mcqa.evaluation.metrics import summarize
from mcqa.page import charts, sources, studies
from mcqa.page.first_screen import accuracy_rows, read_runs, subject_rows


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """An evaluation of two made-up runs over questions of every kind, not to be changed."""
    folder, asked = tmp_path_factory.mktemp("mixed") / "mixed", mixed_answers.mixed_questions(30)
    evaluations = []
    for seed, name in enumerate(("first", "second")):
        predictions = mixed_answers.answer(asked, seed=seed)
        held = "text", "cloze", predictions, summarize(predictions, 1.0), None
        evaluations.append(Evaluation(name, folder / name, *held, Validation([], "None.")))
        write_answers(evaluations[-1])
    record = Record("All kinds", {}, evaluations, asked)
    write_record(folder, record)
    return folder, write_results(folder, record)


def test_comparisons_are_read_as_they_were_written(mixed):
    folder, comparisons = mixed
    assert read_comparisons(folder) == json.loads(json.dumps(comparisons))


def test_every_kind_has_its_verdict_and_its_charts(mixed):
    folder, comparisons = mixed
    test = open_part("compare", [folder])
    assert errors(test) == []
    assert findings(test)[:4] == [f"{c['kind']}: {c['verdict']}" for c in comparisons]
    runs = read_runs(read_record(folder))
    assert set(accuracy_rows(runs)) == {
        "choice-accuracy",
        "yes-no-accuracy",
        "scale-accuracy",
        "several-accuracy",
    }
    for rows in (*accuracy_rows(runs).values(), *subject_rows(runs).values()):
        assert len(rows) >= 2
        assert all(row["n"] for row in rows)
    assert test.multiselect(key=f"kinds {folder}").options == [
        "choice",
        "scale",
        "several",
        "yes_no",
    ]
    test.multiselect(key=f"kinds {folder}").set_value(["several"]).run()
    assert not test.exception
    assert findings(test)[4] == "30 of 120 questions"
    assert re.search(r"right|wrong in \d option", drawn(test))


@pytest.fixture(scope="module")
def study(run_main, tiny_model_folder, question_file, tmp_path_factory):
    """A study of three seeds of two formulations, not to be changed."""
    folder = tmp_path_factory.mktemp("studied")
    settings = {"device": "cpu", "quantization": "none", "dtype": "float32", "lora_r": 4}
    settings |= {"optimizer": "adamw_torch", "warmup_steps": 0, "batch_size": 6, "max_steps": 2}
    fields = {
        "title": "Fruit or tool?",
        "data": {"fruits": {"data": str(question_file), "test": str(question_file)}},
        "formulations": {
            "generative": {"formulation": "generative"},
            "head": {"formulation": "multiple_choice"},
        },
        "models": [str(tiny_model_folder)],
        "settings": settings,
    }
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(fields))
    assert run_main("study", file, "--output", folder / "study") == 0
    return folder / "study"


def test_a_study_says_its_verdicts_draws_its_arms_and_is_explored(study):
    assert sources.evaluations_below(study.parent) == [str(study)]
    test = open_part("compare", [study])
    assert errors(test) == []
    results = json.loads((study / "results.json").read_text())
    (condition,) = results["conditions"]
    (pair,) = condition["differences"]
    assert pair["verdict"] in drawn(test).replace("&#x27;", "'")
    (rows,) = studies.arm_rows(studies.read_study(study)).values()
    assert [(row["run"], row["n"], row["seeds"]) for row in rows] == [
        ("generative", 36, 3),
        ("head", 36, 3),
    ]
    spec = json.dumps(charts.grouped(rows, "size", ["generative", "head"], "#000000").to_dict())
    assert all(f'"{name}"' in spec for name in ("n", "seeds", "interval"))
    assert findings(test)[-2] == "36 of 36 questions"
    assert "Which" in findings(test)[-1]
    first, second = (test.selectbox(key=f"{side} {study} fruits").value for side in "ab")
    assert first.endswith("generative-all-seed0")
    assert second.endswith("head-all-seed0")


def test_a_study_that_is_not_finished_shows_what_is_done(study, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    (folder / "results.json").unlink()
    for path in (folder / "cells").glob("*-seed2"):
        shutil.rmtree(path)
    test = open_part("compare", [folder])
    assert errors(test) == []
    assert findings(test)[0].startswith("The study is not finished: 4 of 6 cells are done")
    assert findings(test)[1] == "36 of 36 questions"


def test_without_its_questions_a_study_shows_ids(study, tmp_path, question_file):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    other = tmp_path / "other.jsonl"
    other.write_text("".join(question_file.read_text().splitlines(keepends=True)[:9]))
    grid = json.loads((folder / "study.json").read_text())
    grid["data"]["fruits"]["test"] = str(other)
    (folder / "study.json").write_text(json.dumps(grid))
    test = open_part("compare", [folder])
    assert errors(test) == []
    assert studies.NO_TEXTS in drawn(test)
    assert findings(test)[-1] == "(text not known)"


@pytest.mark.parametrize("name", ["study.json", "results.json", "cells/{}/predictions.jsonl"])
def test_a_spoiled_study_is_said_in_a_red_box(study, tmp_path, name):
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    cell = next(iter((folder / "cells").iterdir())).name
    (folder / name.format(cell)).write_text("{}\n" if "cells" in name else "{")
    (error,) = errors(open_part("compare", [folder]))
    assert str(folder) in error
