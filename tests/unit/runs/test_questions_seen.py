from dataclasses import replace

import pytest

from mcqa.errors import ModelError
from mcqa.question import Question
from mcqa.runs.questions_seen import SEEN_FILE, Seen, read_seen, write_seen

QUESTION = Question(id="q", stem="Which is red?", options=("blood", "milk"), label=0)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, "exact"),
        ({"id": "other", "label": 1}, "exact"),
        ({"id": "other", "stem": " which is  RED"}, "near"),
        ({"id": "other", "options": ("milk", "blood"), "label": 1}, "near"),
        ({"options": ("blood", "milk", "snow")}, "near"),  # of the same id: one was added
        ({"id": "other", "options": ("blood", "snow")}, None),
        ({"id": "other", "context": "Of two liquids."}, None),
        ({"stem": "Which is white?"}, None),
    ],
)
def test_a_question_is_found_again_in_other_words_and_another_one_is_not(tmp_path, change, found):
    write_seen(tmp_path, {"trained": [QUESTION], "validated": []})
    asked = replace(QUESTION, **change)
    seen = read_seen(tmp_path)
    expected = {name: [asked.id] if name == found else [] for name in ("exact", "near")}
    assert seen["trained"].find([asked]) == expected
    assert seen["validated"].find([asked]) == {"exact": [], "near": []}
    assert Seen.of([QUESTION]).find([asked]) == expected


def test_the_digests_say_nothing_of_order_and_texts(tmp_path):
    other = replace(QUESTION, id="r", stem="Which is white?")
    write_seen(tmp_path, {"trained": [QUESTION, other, QUESTION], "validated": [other]})
    text = (tmp_path / SEEN_FILE).read_text()
    assert len(text.splitlines()) == 3
    assert "red" not in text
    write_seen(tmp_path, {"validated": [other], "trained": [other, QUESTION]})
    assert (tmp_path / SEEN_FILE).read_text() == text


def test_a_run_without_digests_is_not_known(tmp_path):
    assert read_seen(tmp_path) is None


@pytest.mark.parametrize("line", ["trained 12", "drawn 1 2 3", "trained 1 2 3 \u00e9"])
def test_a_damaged_file_is_refused(tmp_path, line):
    (tmp_path / SEEN_FILE).write_text(line, encoding="utf-8")
    with pytest.raises(ModelError, match="not the digests of a run's questions"):
        read_seen(tmp_path)
