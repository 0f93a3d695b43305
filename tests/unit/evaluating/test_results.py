"""What an evaluation leaves in its folder, and drawing it again without scoring."""

import json
from dataclasses import replace

import pytest

from mcqa.errors import ConfigError, DataError
from mcqa.evaluating.folder import Record, read_record, write_record
from mcqa.evaluating.results import redraw, write_results


@pytest.fixture
def folder(evaluated, questions, tmp_path):
    """A folder that an evaluation of two runs wrote."""
    evaluations = evaluated()
    record = Record("A title", {"Seed": "0"}, evaluations, questions)
    write_record(tmp_path, record)
    write_results(tmp_path, record)
    return tmp_path


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_everything_is_written(folder, read):
    names = contents(folder).keys()
    assert names >= {
        "comparison.json",
        "per_question.csv",
        "report.html",
        "report.md",
        "plots/accuracy.svg",
        "plots/reliability.svg",
        "first/metrics.json",
    }
    assert read(folder / "second" / "metrics.json")["per_subject"]["Art"]["n"] == 2
    assert read(folder / "comparison.json")["paired"]["n"] == 12


def test_drawing_again_gives_the_same_files(folder):
    before = contents(folder)
    evaluations, comparisons = redraw(folder)
    assert contents(folder) == before
    assert [evaluation.name for evaluation in evaluations] == ["first", "second"]
    assert evaluations[0].metrics["seconds"] == 4
    assert comparisons[0]["n"] == 12


def test_drawing_again_replaces_what_is_gone_and_takes_away_what_is_old(folder):
    before = contents(folder)
    for name in ("report.html", "report.md", "comparison.json", "first/metrics.json"):
        (folder / name).unlink()
    (folder / "plots" / "old.svg").write_text("old")
    redraw(folder)
    assert contents(folder) == before


def test_texts_are_shown_unless_they_are_not_wanted(folder):
    assert "Stem 6?" in (folder / "report.html").read_text()
    assert "Stem 6?" in (folder / "report.md").read_text()
    redraw(folder, texts=False)
    assert "Stem 6?" not in (folder / "report.html").read_text()
    assert "Stem 6?" not in (folder / "report.md").read_text()
    assert (folder / "plots" / "subjects.svg").is_file()


def test_without_the_questions_the_report_is_drawn_all_the_same(folder, read):
    (folder / "questions.jsonl").unlink()
    redraw(folder)
    assert "Stem 6?" not in (folder / "report.html").read_text()
    assert "per_subject" not in read(folder / "first" / "metrics.json")
    assert read(folder / "comparison.json")["paired"]["n"] == 12


def test_a_folder_can_be_moved(folder, tmp_path_factory):
    moved = tmp_path_factory.mktemp("elsewhere") / "evaluation"
    folder.rename(moved)
    assert redraw(moved)[1][0]["n"] == 12


def test_a_record_is_read_as_it_was_written(folder, questions):
    record = read_record(folder)
    assert record.questions == questions
    assert (record.title, record.details) == ("A title", {"Seed": "0"})
    assert record.compared == ["first", "second"]
    assert record.evaluations[1].folder == folder / "second"
    assert record.evaluations[1].cost["adapter_bytes"] == 64


def test_what_decided_the_answers_is_kept(evaluated, questions, tmp_path):
    work, data = {"template": "cloze", "shots": None}, {"source": "q.jsonl", "sha256": "ab"}
    evaluations = [replace(evaluation, work=work) for evaluation in evaluated()]
    write_record(tmp_path, Record("A title", {}, evaluations, questions, data=data))
    kept = read_record(tmp_path)
    assert kept.data == data
    assert [evaluation.work for evaluation in kept.evaluations] == [work, work]


def test_what_an_older_version_left_is_drawn_all_the_same(folder, read):
    record = read(folder / "evaluation.json")
    del record["data"]
    for run in record["runs"]:
        del run["work"], run["context"], run["commit"]
    (folder / "evaluation.json").write_text(json.dumps(record))
    before = contents(folder)
    redraw(folder)
    assert contents(folder) == before
    kept = read_record(folder)
    assert (kept.data, kept.evaluations[0].work) == (None, None)
    assert kept.evaluations[0].context == "data"


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no evaluation\.json in it"):
        redraw(tmp_path)
    (tmp_path / "evaluation.json").write_text("[]")
    with pytest.raises(DataError, match="not what `mcqa evaluate` writes"):
        redraw(tmp_path)


def test_a_run_without_predictions_is_refused_by_name(folder):
    path = folder / "second" / "predictions.jsonl"
    path.unlink()
    with pytest.raises(DataError, match=str(path)):
        redraw(folder)


def test_a_run_outside_of_the_folder_is_refused(folder, read):
    record = read(folder / "evaluation.json")
    record["runs"][0]["folder"] = "../elsewhere"
    (folder / "evaluation.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"'first' is in '\.\./elsewhere', outside"):
        redraw(folder)


@pytest.fixture
def elsewhere(tmp_path_factory):
    return tmp_path_factory.mktemp("elsewhere")


def test_plots_that_are_a_link_are_left_alone(folder, elsewhere):
    (folder / "plots").rename(elsewhere / "plots")
    (folder / "plots").symlink_to(elsewhere / "plots")
    (elsewhere / "plots" / "mine.svg").write_text("precious")
    before = contents(folder), contents(elsewhere)
    with pytest.raises(ConfigError, match="plots leads out of"):
        redraw(folder)
    assert (contents(folder), contents(elsewhere)) == before


@pytest.mark.parametrize("name", ["questions.jsonl", "first", "second/predictions.jsonl"])
def test_nothing_is_read_through_a_link_either(folder, elsewhere, name):
    (folder / name).rename(elsewhere / "moved")
    (folder / name).symlink_to(elsewhere / "moved")
    with pytest.raises((ConfigError, DataError), match=r"outside|leads out of"):
        redraw(folder)
