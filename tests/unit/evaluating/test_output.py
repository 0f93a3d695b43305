"""What stays of an earlier evaluation in a folder that another one is written to."""

import json

import pytest

from mcqa.errors import ConfigError
from mcqa.evaluating.folder import PREDICTIONS, RECORD
from mcqa.evaluating.output import STARTED, begin, evaluation_folder, finish
from mcqa.scoring.partial import partial_path

KEPT = partial_path(PREDICTIONS).name
OF_A_MODEL = (PREDICTIONS, "metrics.json", "permutations.jsonl", "validation_predictions.jsonl")


@pytest.fixture
def earlier(tmp_path):
    """Leave an evaluation of models in folders, answers kept, and return the folder."""

    def leave(record, *names):
        for name in names:
            (tmp_path / name).mkdir(exist_ok=True)
            for file in (*OF_A_MODEL, KEPT):
                (tmp_path / name / file).write_text("")
        (tmp_path / record).write_text(json.dumps({"runs": [{"folder": name} for name in names]}))
        return tmp_path

    return leave


def left(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_evaluation_is_replaced_where_that_is_asked_for(earlier):
    folder = earlier(RECORD, ".")
    before = left(folder)
    with (
        pytest.raises(ConfigError, match="holds a finished evaluation"),
        evaluation_folder(folder, overwrite=False),
    ):
        pass
    assert left(folder) == before
    with evaluation_folder(folder, overwrite=True):
        assert begin(folder, ["a", "b"], overwrite=True) == [folder / "a", folder / "b"]
    assert left(folder) == {STARTED}
    with evaluation_folder(folder, overwrite=False):  # which goes on, for it is unfinished
        (folder / RECORD).write_text("{}")
    finish(folder, [])
    assert left(folder) == {RECORD}


def test_models_that_are_left_out_keep_their_answers_and_nothing_else(earlier):
    folder = earlier(STARTED, "a", "b", "c")
    (folder / "b" / "mine.txt").write_text("")
    begin(folder, ["a", "d"], overwrite=False)
    asked = {f"a/{name}" for name in (*OF_A_MODEL, KEPT)}  # replaced when it is answered
    assert left(folder) == {STARTED, f"b/{KEPT}", f"c/{KEPT}", "b/mine.txt"} | asked


def test_all_is_taken_away_where_all_is_to_be_overwritten(earlier):
    folder = earlier(RECORD, "a", "b")
    (folder / "b" / "mine.txt").write_text("")
    (folder / "other").mkdir()
    (folder / "other" / PREDICTIONS).write_text("")
    begin(folder, ["."], overwrite=True)
    assert left(folder) == {STARTED, "b/mine.txt", f"other/{PREDICTIONS}"}
    assert not (folder / "a").exists()


def test_the_validation_answers_of_a_run_are_its_own(earlier):
    folder = earlier(RECORD, "a")
    (folder / "a" / "run.json").write_text("{}")
    begin(folder, ["b"], overwrite=True)
    assert left(folder) == {STARTED, "a/run.json", "a/validation_predictions.jsonl"}


@pytest.mark.parametrize("record", ["[]", '{"runs": [{"folder": "../elsewhere"}]}', "{"])
def test_a_record_that_tells_nothing_or_leads_out_removes_nothing(tmp_path, record):
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    for path in (folder, elsewhere):
        path.mkdir()
        (path / "metrics.json").write_text("")
    (folder / RECORD).write_text(record)
    begin(folder, ["a"], overwrite=True)
    assert left(folder) == {STARTED, "metrics.json"}
    assert left(elsewhere) == {"metrics.json"}


def test_a_run_is_not_written_over(tmp_path):
    """Its validation answers, on which its temperature stands, would be replaced or removed."""
    run = tmp_path / "head"
    run.mkdir()
    for name in ("run.json", "validation_predictions.jsonl"):
        (run / name).write_text("{}")
    with pytest.raises(ConfigError, match="head: a run is in there"):
        begin(tmp_path, ["head", "other"], overwrite=True)
    assert (run / "validation_predictions.jsonl").exists()
    assert not (tmp_path / STARTED).exists()
