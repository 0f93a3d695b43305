"""When two questions, or the answers to them, count as the same."""

from dataclasses import replace

import pytest

from mcqa import Question
from mcqa.data.same import normalise, question_key, row_keys, same_answers, text_key
from mcqa.prediction import Prediction

FIRST = Question(id="q", stem="Which one?", options=("T-cell", "red"), label=0, context="Paint.")


def answer(id, label, options=2):
    asked = Question(id=id, stem="?", options=tuple("abcd"[:options]), label=label)
    return Prediction.scored(asked, [0.0] * options, unit="logit", scorer="head", tokens=1)


def test_a_text_of_punctuation_alone_keeps_it():
    assert normalise(" . ") == "."


@pytest.mark.parametrize(
    ("change", "same", "row"),
    [
        ({"id": "r", "label": 1}, True, True),
        ({"id": "r", "options": ("Red.", "t cell"), "stem": "WHICH  one"}, True, True),
        ({"options": ("T-cell", "red", "blue")}, False, True),
        ({"id": "r", "options": ("T-cell", "red", "blue")}, False, False),
        ({"context": None}, False, False),
        ({"stem": "Which two?"}, False, False),
    ],
)
def test_questions_are_the_same_by_what_a_reader_sees(change, same, row):
    second = replace(FIRST, **change)
    assert (question_key(FIRST) == question_key(second)) == same
    assert (not set(row_keys(FIRST)).isdisjoint(row_keys(second))) == row


def test_texts_have_the_keys_that_indexes_on_disk_have():
    # printf 'which organ' | b2sum --length 64
    assert text_key(" Which  organ?") == "9fd346605b7ca3cc"


def test_answers_are_to_the_same_questions_where_all_shared_ids_agree():
    ours = [answer("1", 0), answer("2", 1), answer("3", 1, options=3)]
    assert same_answers(ours, ours[1:])
    assert not same_answers(ours, [answer("9", 0)])
    assert not same_answers(ours, [ours[0], answer("2", 0)])
    assert not same_answers(ours, [ours[0], answer("3", 1)])
