"""Evaluated questions that a run was trained on."""

from dataclasses import replace

import pytest

from mcqa.errors import ConfigError
from mcqa.evaluating.contamination import trained_on_sentence, without_trained
from mcqa.evaluating.evaluate import trained_on
from mcqa.evaluating.folder import Record, read_record, write_record
from mcqa.evaluating.results import redraw, write_results
from mcqa.evaluation.metrics import share
from mcqa.runs.questions_seen import write_seen


@pytest.fixture
def trained(questions, tmp_path):
    """A run folder that was trained on three of the questions, one of them in other letters."""
    near = replace(questions[2], stem=questions[2].stem.upper())
    folder = tmp_path / "run"
    folder.mkdir()
    write_seen(folder, {"trained": [*questions[:2], near], "validated": []})
    return str(folder)


def test_what_a_run_was_trained_on_is_found_exactly_and_nearly(trained, questions):
    found = trained_on(trained, questions)
    assert found == {"exact": ["q0", "q1"], "near": ["q2"]}
    assert "was trained on 3 of the 12 questions" in trained_on_sentence("head", found, 12)
    assert "(2 exactly, 1 as near-duplicates)" in trained_on_sentence("head", found, 12)
    assert trained_on_sentence("head", {"exact": [], "near": []}, 12) is None
    assert trained_on("a-model", questions) is None


def test_they_are_left_out_for_all_runs_if_asked(trained, questions):
    said = []
    kept = without_trained(questions, [trained, "smollm2-135m"], announce=said.append)
    assert [q.id for q in kept] == [f"q{n}" for n in range(3, 12)]
    assert said[0] == "3 questions were trained on and are left out."
    assert said[1] == "What smollm2-135m was trained on is not known."
    with pytest.raises(ConfigError, match="all 3 questions were trained on"):
        without_trained(questions[:3], [trained], announce=said.append)


def test_metrics_and_page_say_how_many_and_the_accuracy_without(
    evaluated, questions, tmp_path, read
):
    first, second = evaluated()
    first = replace(first, trained_on={"exact": ["q0", "q1"], "near": ["q2"]})
    write_record(tmp_path, record := Record("A title", {}, [first, second], questions))
    write_results(tmp_path, record)
    # 8 of 12 are right, and 5 of the 9 others
    assert read(tmp_path / "first" / "metrics.json")["trained_on"] == {
        "exact": 2,
        "near": 1,
        "without": share(5, 9),
    }
    assert "trained_on" not in read(tmp_path / "second" / "metrics.json")
    page = (tmp_path / "report.md").read_text()
    assert "| Of these trained on | 2 exactly, 1 nearly | – |" in page
    assert "| Accuracy without them | 55.6% (" in page
    redraw(tmp_path)
    assert (tmp_path / "report.md").read_text() == page
    assert read_record(tmp_path).evaluations[0].trained_on == first.trained_on
