"""A teacher's probabilities beside questions: what a row holds, and what is not overwritten."""

import json
from dataclasses import replace

import pytest

import mcqa
from mcqa.errors import ConfigError
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.scoring.distilling import new_file, with_targets

SCORES = (2.0, -1.0, 0.5)
LABELS = {"choice": 2, "scale": 1, "several": (0, 2)}


def taught(question, temperature=None):
    made = Prediction.scored(question, SCORES, unit="logit", scorer="head", tokens=1)
    (row,) = with_targets([question], [made.calibrated(temperature or 1.0)])
    return json.loads(json.dumps(row))


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("temperature", [None, 2.0])
def test_a_row_is_the_question_with_calibrated_targets(kind, temperature, tmp_path):
    more = {"context": "Here.", "subject": "Art", "names": ("x", "y", "z"), "state_id": "s"}
    options = ("1", "2", "3")
    question = Question(
        id="q", stem="Which?", options=options, kind=kind, label=LABELS[kind], **more
    )
    row = taught(question, temperature)
    path = tmp_path / "taught.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (read,) = mcqa.load_questions(path)
    assert read.targets == KINDS[kind].probabilities(SCORES, temperature or 1.0)
    assert replace(read, targets=None) == question
    assert "explanation" not in row


def test_a_row_is_read_as_the_question_it_was(tmp_path):
    question = Question(id="q", stem="1 + 2 = ?", options=("1", "2", "3"), label=2, context="Sums.")
    unknown = Question(id="r", stem="1 + 2 = ?", options=("3", "4", "5"), label=None)
    path = tmp_path / "taught.jsonl"
    path.write_text("".join(json.dumps(taught(q)) + "\n" for q in (question, unknown)))
    read = mcqa.load_questions(path, unlabelled="keep")
    fields = ("id", "stem", "options", "label", "context")
    known = replace(unknown, label=0)  # what the teacher finds likeliest
    for one, other in zip(read, (question, known), strict=True):
        assert [getattr(one, name) for name in fields] == [getattr(other, name) for name in fields]


def test_neither_the_questions_nor_a_finished_file_are_replaced(tmp_path):
    data, output = str(tmp_path / "d.jsonl"), tmp_path / "t.jsonl"
    assert new_file(output, data, overwrite=False) == output
    output.write_text("{}\n")
    with pytest.raises(ConfigError, match="is there already"):
        new_file(output, data, overwrite=False)
    assert new_file(output, data, overwrite=True) == output
    (tmp_path / "t.partial.jsonl").write_text("")  # what --overwrite began and did not finish
    assert new_file(output, data, overwrite=False) == output
    with pytest.raises(ConfigError, match="these are the questions to read"):
        new_file(output, str(output), overwrite=True)
    with pytest.raises(ConfigError, match="these are the questions to read"):
        new_file(output, (data, str(output)), overwrite=True)
