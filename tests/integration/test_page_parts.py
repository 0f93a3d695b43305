"""Compare, Data and Train, as streamlit runs them without a browser, on the tiny model."""

import json
import re
import shutil

import pytest
from pages import button, drawn, errors, findings, open_part

from mcqa.evaluating.folder import read_record
from mcqa.page import charts, job
from mcqa.page.first_screen import accuracy_rows, read_runs


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def evaluation(run_main, runs, question_file, tmp_path_factory):
    """An evaluation of two runs in all rotations of the options, not to be changed."""
    folder = tmp_path_factory.mktemp("evaluations") / "evaluation"
    models = [word for run in runs.values() for word in ("--model", run)]
    flags = ["--data", question_file, "--permutations", "cyclic", "--output", folder]
    assert run_main("evaluate", *models, *flags) == 0
    return folder


def test_the_first_screen_is_that_of_the_report(evaluation):
    test = open_part("compare", [evaluation])
    verdict = json.loads((evaluation / "comparison.json").read_text())["verdict"]
    assert findings(test)[0] == verdict
    assert errors(test) == []
    (rows,) = accuracy_rows(read_runs(read_record(evaluation))).values()
    assert [row["run"] for row in rows] == ["generative", "multiple-choice"]
    assert all(
        row["n"] == 36 and row["low"] < row["accuracy"] <= row["high"] + 1e-9 for row in rows
    )
    spec = charts.accuracies(rows, "#000000").to_dict()
    titles = {tip.get("title", tip["field"]) for tips in _each(spec, "tooltip") for tip in tips}
    assert {"n", "95% interval"} <= titles


def _each(spec, name):
    """Yield what stands under a name, however deep."""
    inner = spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ()
    if isinstance(spec, dict) and name in spec:
        yield spec[name]
    for value in inner:
        yield from _each(value, name)


def test_questions_are_filtered_opened_and_stepped_through(evaluation):
    test = open_part("compare", [evaluation])
    assert findings(test)[1] == "36 of 36 questions"
    test.selectbox(key="sort").select("order of the file").run()
    assert ">q0<" in drawn(test)
    button(test, "Next").click().run()
    assert ">q1<" in drawn(test)
    button(test, "Previous").click().run()
    test.button(key="row-3").click().run()
    assert ">q3<" in drawn(test)
    test.number_input(key="number").set_value(36).run()
    assert ">q35<" in drawn(test)
    button(test, "Next").click().run()
    assert ">q35<" in drawn(test)
    test.text_input(key="text").set_value("grows on a tree").run()
    assert findings(test)[1] == "12 of 36 questions"
    assert ">q2<" in drawn(test)  # the first of them is open
    test.text_input(key="text").set_value("no such text").run()
    assert findings(test)[1] == "0 of 36 questions"
    assert not test.exception


def test_a_folder_with_several_evaluations_lets_one_be_chosen(evaluation, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(evaluation, tmp_path / "study" / name)
    test = open_part("compare", ["study"])
    assert test.selectbox(key="evaluation").options == ["study/one", "study/two"]
    test.selectbox(key="evaluation").set_value("study/two").run()
    assert len(findings(test)) == 3


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "evaluation.json").write_text("{"), "evaluation.json: not what"),
        (lambda folder: (folder / "comparison.json").write_text("{}"), "Write it anew with"),
        (lambda folder: (folder / "generative/metrics.json").unlink(), "metrics.json: not what"),
        (lambda folder: (folder / "generative/predictions.jsonl").write_text("{}"), "line 1"),
    ],
    ids=["record", "comparison", "metrics", "predictions"],
)
def test_a_spoiled_evaluation_is_said_in_a_red_box(evaluation, tmp_path, spoil, said):
    shutil.copytree(evaluation, tmp_path / "evaluation")
    spoil(tmp_path / "evaluation")
    (error,) = errors(open_part("compare", ["evaluation"]))
    assert said in error


def test_without_an_evaluation_it_says_what_writes_one():
    assert "`mcqa evaluate`" in drawn(open_part("compare"))


def test_a_data_sets_findings_are_shown_with_their_rows(tmp_path):
    row = {"question": "Which <b>is</b>?", "options": ["pear", "pear"], "label": 0}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n{broken\n")
    test = open_part("data")
    test.text_input(key="path").set_value("a.jsonl").run()
    shown = drawn(test)
    assert any("bad rows (1): rows of a.jsonl cannot be read" in error for error in errors(test))
    assert "<td>{broken</td>" in shown
    assert "Warning:</strong> duplicate options (1)" in shown
    assert "Which &lt;b&gt;is&lt;/b&gt;?" in shown
    assert "<b>" not in shown
    test.text_input(key="path").set_value("gone.jsonl").run()
    (error,) = errors(test)
    assert error.startswith("gone.jsonl: no such file.") or "gone.jsonl" in error


def test_bundled_questions_are_fine():
    test = open_part("data")
    test.text_input(key="path").set_value("bundled").run()
    assert errors(test) == []
    assert "308" in drawn(test)


def fill(test, model, data, more=""):
    test.text_input(key="model").set_value(str(model))
    test.text_input(key="source").set_value(str(data))
    more = f"device: cpu\nquantization: none\ndtype: float32\noptimizer: adamw_torch\n{more}"
    test.text_area(key="more").set_value(more).run()
    return test if errors(test) else button(test, "Check data and memory").click().run()


def test_findings_and_memory_come_before_the_start(tiny_model_folder, question_file):
    test = fill(open_part("train"), tiny_model_folder, question_file)
    assert errors(test) == []
    assert "Memory, estimated at 256 tokens" in drawn(test)
    assert re.search(r"<th scope=\"row\">total</th><td>.*?</td><td>[\d.]+ [kMG]B</td>", drawn(test))
    assert button(test, "Start")
    test.number_input(key="batch").set_value(4).run()
    assert not [each for each in test.button if each.label == "Start"]  # of other settings
    assert not job.current()


def test_all_sources_of_a_mixture_are_checked(tiny_model_folder, question_file):
    more = f"data: {{{question_file}: 1, bundled: 0.1}}"
    test = fill(open_part("train"), tiny_model_folder, "gone.jsonl", more)
    assert errors(test) == []
    assert f"{question_file}, bundled" in drawn(test)


def test_data_with_errors_cannot_be_trained_on(tiny_model_folder, tmp_path):
    (tmp_path / "a.jsonl").write_text("{broken\n" + json.dumps({"question": "a"}) + "\n")
    test = fill(open_part("train"), tiny_model_folder, "a.jsonl")
    assert errors(test)
    assert not [each for each in test.button if each.label == "Start"]


@pytest.mark.parametrize(
    ("more", "said"),
    [("lora_r: 0", "lora_r = 0"), ("no_such: 1", "no_such: no such setting"), ("a: [", "not YAML")],
)
def test_wrong_settings_are_said_in_a_red_box(tiny_model_folder, question_file, more, said):
    test = fill(open_part("train"), tiny_model_folder, question_file, more)
    assert said in errors(test)[0]
    assert not test.exception
