"""Answers that are options, and texts that only look like one."""

import pytest

from mcqa.parsing import parse_answer
from mcqa.question import Question

WATER = Question(stem="Bath?", options=("cold water", "warm water", "water", "Ice."))
TEN = Question(stem="?", options=tuple(f"number {n}" for n in range(10)))
UNPARSED = (None, "unparsed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", (1, "letter")),
        ("B.", (1, "letter")),
        ("(B)", (1, "letter")),
        ("B)", (1, "letter")),
        ("B:", (1, "letter")),
        ("  B  ", (1, "letter")),
        ("\n\n B\nA cold water", (1, "letter")),
        ("B warm water", (1, "letter and text")),
        ("B. warm water.", (1, "letter and text")),
        ("(B) Warm  WATER", (1, "letter and text")),
        ("D Ice", (3, "letter and text")),
        ("warm water", (1, "text")),
        ("Warm water.", (1, "text")),
        ("water", (2, "text")),
        ("ice", (3, "text")),
    ],
)
def test_an_answer_is_read(text, expected):
    assert parse_answer(text, WATER) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t\n",
        "Antwort",
        "Antwort: B",
        "Answer: B",
        "A cat",
        "I think A is wrong, so B",
        "A is wrong, so B",
        "A or B",
        "A, B",
        "AB",
        "Bwarm water",
        "b",
        "a warm water",
        "E",
        "Z.",
        "B cold water",
        "B water",
        "C warm water",
        "B warm water and more",
        "very warm water",
        "warm",
        "The answer is B.",
        "**B**",
        "1",
        "Β",  # a Greek capital beta
    ],
)
def test_what_is_not_clear_is_not_guessed_at(text):
    assert parse_answer(text, WATER) == UNPARSED


def test_i_is_a_letter_only_where_it_stands_alone():
    assert parse_answer("I", TEN) == (8, "letter")
    assert parse_answer("I number 8", TEN) == (8, "letter and text")
    assert parse_answer("I think it is number 3", TEN) == UNPARSED
    assert parse_answer("I", WATER) == UNPARSED


def test_an_option_that_starts_with_a_letter_is_read_as_the_text_it_is():
    question = Question(stem="?", options=("the dog", "A cat", "B flat"))
    assert parse_answer("A cat", question) == (1, "text")
    assert parse_answer("B A cat", question) == (1, "letter and text")
    assert parse_answer("B flat", question) == (2, "text")
    assert parse_answer("A", question) == (0, "letter")


def test_one_composed_character_equals_its_parts():
    question = Question(stem="?", options=("caf\u00e9", "tea", "\ufb01g", "STRASSE"))
    assert parse_answer("cafe\u0301", question) == (0, "text")
    assert parse_answer("A Cafe\u0301", question) == (0, "letter and text")
    assert parse_answer("fig", question) == (2, "text")
    assert parse_answer("straße", question) == (3, "text")
    assert parse_answer("cafe", question) == UNPARSED


def test_a_text_of_two_options_names_neither():
    question = Question(stem="?", options=("both", "Both.", "none"))
    assert parse_answer("both", question) == UNPARSED
    assert parse_answer("B both", question) == (1, "letter and text")


def test_letters_as_options_are_read_where_letter_and_text_agree():
    question = Question(stem="Which blood group?", options=("A", "B", "AB"))
    assert parse_answer("A", question)[0] == 0
    assert parse_answer("C AB", question) == (2, "letter and text")
    assert parse_answer("AB", question) == (2, "text")


def test_a_letter_that_is_the_text_of_another_option_contradicts_itself():
    question = Question(stem="Which blood group?", options=("B", "A", "AB"))
    assert parse_answer("B", question) == UNPARSED
    assert parse_answer("A.", question) == UNPARSED
    assert parse_answer("A B", question) == (0, "letter and text")


def test_saying_nothing_is_not_an_option_made_of_dots():
    question = Question(stem="Which mark ends a sentence?", options=(".", ",", "?"))
    assert parse_answer("", question) == UNPARSED
    assert parse_answer("\n", question) == UNPARSED
    assert parse_answer("A .", question)[0] == 0
