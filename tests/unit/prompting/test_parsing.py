"""Answers that are options, and texts that only look like one."""

import pytest

from mcqa.errors import ConfigError
from mcqa.prompting.parsing import parse_answer
from mcqa.question import Question

WATER = Question(stem="Bath?", options=("cold water", "warm water", "water", "Ice."))
TEN = Question(stem="?", options=tuple(f"number {n}" for n in range(10)))
UNPARSED = (None, "unparsed")
AMBIGUOUS = (None, "ambiguous")


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


@pytest.mark.parametrize("text", ["B cold water", "B water", "C warm water"])
def test_a_letter_with_the_text_of_another_option_is_ambiguous(text):
    assert parse_answer(text, WATER) == AMBIGUOUS
    assert parse_answer(text, WATER, "lenient") == AMBIGUOUS


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
    assert parse_answer("both", question) == AMBIGUOUS
    assert parse_answer("B both", question) == (1, "letter and text")


def test_letters_as_options_are_read_where_letter_and_text_agree():
    question = Question(stem="Which blood group?", options=("A", "B", "AB"))
    assert parse_answer("A", question)[0] == 0
    assert parse_answer("C AB", question) == (2, "letter and text")
    assert parse_answer("AB", question) == (2, "text")


def test_a_letter_that_is_the_text_of_another_option_contradicts_itself():
    question = Question(stem="Which blood group?", options=("B", "A", "AB"))
    assert parse_answer("B", question) == AMBIGUOUS
    assert parse_answer("A.", question) == AMBIGUOUS
    assert parse_answer("A B", question) == (0, "letter and text")


def test_saying_nothing_is_not_an_option_made_of_dots():
    question = Question(stem="Which mark ends a sentence?", options=(".", ",", "?"))
    assert parse_answer("", question) == UNPARSED
    assert parse_answer("\n", question) == UNPARSED
    assert parse_answer("A .", question)[0] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", (1, "letter")),
        ("The answer is B.", (1, "announced letter")),
        ("Answer: (C)", (2, "announced letter")),
        ("The correct option is **A**, of course", (0, "announced letter")),
        ("the right choice is d", (3, "announced letter")),
        ("It must be warm water, I believe.", (1, "text inside")),
        ("You want ice", (3, "text inside")),
        ("The answer is A. No, the answer is B.", AMBIGUOUS),
        ("The answer is E.", AMBIGUOUS),
        ("cold water or warm water", AMBIGUOUS),
        ("Antwort", UNPARSED),
        ("I think A is wrong, so B", UNPARSED),
        ("The answer is Berlin", UNPARSED),
        ("watery", UNPARSED),
        ("", UNPARSED),
    ],
)
def test_a_talkative_answer_is_read_leniently(text, expected):
    assert parse_answer(text, WATER, "lenient") == expected


TOOLS = Question(stem="What drives nails?", options=("saw", "hammer", "claw", "plane"))
NINE = Question(stem="?", options=tuple(f"number {n}" for n in range(9)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is a hammer.", (1, "text inside")),
        ("Answer: a hammer", (1, "text inside")),
        ("The best choice is a claw, I think", (2, "text inside")),
        ("Is the answer a hammer?", (1, "text inside")),
        ("a hammer", (1, "text inside")),
        ("The answer is a saw.", (0, "announced letter")),
        ("The answer is a screwdriver.", UNPARSED),
        ("The answer is A screwdriver.", UNPARSED),
        ("The answer is A hammer.", AMBIGUOUS),
        ("A hammer", AMBIGUOUS),
        ("The only option a carpenter has", UNPARSED),
        ("The answer is B-cell lymphoma.", UNPARSED),
    ],
)
def test_an_article_is_not_the_letter_a(text, expected):
    assert parse_answer(text, TOOLS, "lenient") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is A.", (0, "announced letter")),
        ("The answer is A", (0, "announced letter")),
        ("Answer: a", (0, "announced letter")),
        ("Option a)", (0, "announced letter")),
        ("The answer is (a) saw", (0, "announced letter")),
        ("The answer is A, a saw.", (0, "announced letter")),
        ("The answer is A because a hammer hurts.", (0, "announced letter")),
        ("Option A is right", (0, "announced letter")),
        ("Option A seems right", (0, "announced letter")),
        ("The answer is A saw.", (0, "announced letter")),
        ("a", (0, "letter")),
        ("(a)", (0, "letter")),
        ("b)", (1, "letter")),
        ("**A**", (0, "letter")),
        ("A. saw", (0, "letter and text")),
        ("a) saw", (0, "letter and text")),
        ("**A. Saw**", (0, "letter and text")),
        ("a. hammer", AMBIGUOUS),
    ],
)
def test_a_letter_in_marks_or_in_lower_case_is_read_leniently(text, expected):
    assert parse_answer(text, TOOLS, "lenient") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I think it is B", UNPARSED),
        ("The answer I would give is number 3", (3, "text inside")),
        ("The answer is I think number 3", (3, "text inside")),
        ("Answer: I don't know", UNPARSED),
        ("The answer is I'd say number 2", (2, "text inside")),
        ("The answer is I.", (8, "announced letter")),
        ("Answer: I number 8", (8, "announced letter")),
        ("Option I is right", (8, "announced letter")),
        ("i", (8, "letter")),
    ],
)
def test_a_pronoun_is_not_the_letter_i(text, expected):
    assert parse_answer(text, NINE, "lenient") == expected


@pytest.mark.parametrize("parser", ["strict", "lenient"])
def test_what_is_thought_before_the_answer_is_passed_over(parser):
    thought = "<think>\nThe answer is A.\n\nA\n</think>\n\nB"
    assert parse_answer(thought, WATER, parser) == (1, "letter")
    assert parse_answer("\n<think>A</think> B", WATER, parser) == (1, "letter")
    assert parse_answer("<think>\nA. No, wait", WATER, parser) == UNPARSED
    assert parse_answer("B <think>", WATER) == UNPARSED


def test_an_option_inside_a_longer_one_that_is_said_does_not_count():
    question = Question(stem="Where?", options=("York", "New York", "New York City"))
    assert parse_answer("In New York City, surely", question, "lenient").choice == 2
    assert parse_answer("In New York, surely", question, "lenient").choice == 1
    assert parse_answer("York, not New York", question, "lenient") == AMBIGUOUS


def test_all_of_the_above_is_an_option_like_any_other():
    question = Question(stem="?", options=("red", "blue", "All of the above", "None of the above"))
    assert parse_answer("All of the above.", question) == (2, "text")
    assert parse_answer("It is none of the above", question, "lenient") == (3, "text inside")
    assert parse_answer("red and blue, so all of the above", question, "lenient") == AMBIGUOUS


def test_an_unknown_parser_is_refused():
    with pytest.raises(ConfigError, match="strict, lenient"):
        parse_answer("A", WATER, "generous")


IS_IT = Question(stem="Is 7 prime?", kind="yes_no")


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("Yes", (0, "text"), (0, "text")),
        ("no.", (1, "text"), (1, "text")),
        ("A Yes", (0, "letter and text"), (0, "letter and text")),
        ("B", (1, "letter"), (1, "letter")),
        ("Yes, it is", UNPARSED, (0, "leading text")),
        ("No. It is not", UNPARSED, (1, "leading text")),
        ("**Yes**: there is no divisor", UNPARSED, (0, "leading text")),
        ("It is, yes", UNPARSED, (0, "text inside")),
        ("Is it? yes or no", UNPARSED, AMBIGUOUS),
        ("Nobody knows", UNPARSED, UNPARSED),
        ("A number is", UNPARSED, UNPARSED),
    ],
)
def test_yes_and_no_are_read_by_their_texts(text, strict, lenient):
    assert parse_answer(text, IS_IT) == strict
    assert parse_answer(text, IS_IT, "lenient") == lenient


def test_a_sentence_that_begins_with_an_option_is_read_for_yes_and_no_alone():
    question = Question(stem="Is 7 prime?", options=("Yes", "No"))
    assert parse_answer("Yes, there is no divisor", question, "lenient") == AMBIGUOUS


MANY = Question(stem="?", options=tuple(f"number {n}" for n in range(60)))


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("Z", (25, "letter"), (25, "letter")),
        ("AA", (26, "letter"), (26, "letter")),
        ("(AB) number 27", (27, "letter and text"), (27, "letter and text")),
        ("BH. number 59", (59, "letter and text"), (59, "letter and text")),
        ("BI", UNPARSED, UNPARSED),
        ("AS number 3", AMBIGUOUS, AMBIGUOUS),
        ("The answer is AC.", UNPARSED, (28, "announced letter")),
        ("**AD**", UNPARSED, (29, "letter")),
        ("The answer is as follows", UNPARSED, UNPARSED),
        ("as", UNPARSED, UNPARSED),
        ("b", UNPARSED, (1, "letter")),
    ],
)
def test_marks_beyond_z_are_read_in_capitals(text, strict, lenient):
    assert parse_answer(text, MANY) == strict
    assert parse_answer(text, MANY, "lenient") == lenient


def test_two_letters_are_no_mark_where_one_letter_is_enough():
    question = Question(stem="?", options=tuple(f"number {n}" for n in range(26)))
    assert parse_answer("AA", question, "lenient") == UNPARSED
    assert parse_answer("Answer: AB", question, "lenient") == UNPARSED
