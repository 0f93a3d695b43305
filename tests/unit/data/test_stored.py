"""Questions on disk: they are the ones that were put there, and their file goes with them."""

import dataclasses
import gc
from pathlib import Path

import pytest

from mcqa.data import stored
from mcqa.data.stored import StoredQuestions
from mcqa.errors import RunError
from mcqa.question import Question

BARE = Question(stem="Which?\u2028", options=("NA", "\x00"), context="", subject=None)


def test_they_are_those_that_were_stored(monkeypatch, tiny_questions):
    monkeypatch.setattr(stored, "CHUNK", 10)
    questions = [*tiny_questions, BARE]
    kept = StoredQuestions(iter(questions))
    assert len(kept) == 37
    assert list(kept) == questions
    assert [kept[index] for index in range(-37, 37)] == questions * 2
    assert kept[5:25:7] == questions[5:25:7]
    with pytest.raises(IndexError):
        kept[37]


def test_every_field_is_stored():
    names = [field.name for field in dataclasses.fields(Question)]
    full = Question(
        stem="?",
        options=("a", "b"),
        label=[1, 0],
        kind="several",
        targets=(0.1, 0.9),
        context="c",
        subject="s",
        explanation="e",
        names=("x", "y"),
        state_id="t",
    )
    kept = StoredQuestions([full])
    assert sorted(kept.dataset.column_names) == sorted(names)
    assert list(kept) == [full]


def test_labels_of_all_kinds_come_back_as_they_are():
    labels = {"choice": [1, None], "yes_no": [0], "scale": [1], "several": [(), (1,), (0, 1), None]}
    questions = [
        Question(id=f"{kind}-{label}", stem="?", options=("a", "b"), label=label, kind=kind)
        for kind, some in labels.items()
        for label in some
    ]
    assert list(StoredQuestions(questions)) == questions


def test_none_at_all_are_none():
    assert not StoredQuestions(())
    assert list(StoredQuestions(())) == []


def test_the_checksum_changes_with_what_they_hold(tiny_questions):
    sums = {
        StoredQuestions(questions).sha256
        for questions in (tiny_questions, list(tiny_questions), tiny_questions[::-1], [BARE])
    }
    assert len(sums) == 3


def test_the_file_goes_with_them(tiny_questions):
    kept = StoredQuestions(tiny_questions)
    folder = Path(kept.dataset.cache_files[0]["filename"]).parent
    assert folder.is_dir()
    del kept
    gc.collect()
    assert not folder.exists()


def test_a_full_disk_is_one_of_our_errors(tiny_questions):
    def questions():
        yield tiny_questions[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="No space left on device"):
        StoredQuestions(questions())
