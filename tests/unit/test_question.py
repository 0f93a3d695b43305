import dataclasses
import hashlib
import json

import numpy as np
import pytest

from mcqa.errors import McqaError, QuestionError
from mcqa.question import Question


def test_a_question_knows_its_letters_and_its_answer():
    question = Question(stem="Bath?", options=["cold", "warm", "hot"], label=1)
    assert question.options == ("cold", "warm", "hot")
    assert (question.letters, question.answer) == (("A", "B", "C"), "warm")
    assert Question(stem="Bath?", options=("cold", "warm")).answer is None


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_an_integer_of_numpy_is_a_label(kind):
    question = Question(stem="Bath?", options=("cold", "warm"), label=kind(1))
    assert (question.label, type(question.label)) == (1, int)
    assert question == Question(stem="Bath?", options=("cold", "warm"), label=1)
    assert json.loads(json.dumps(dataclasses.asdict(question)))["label"] == 1


def test_255_options_are_the_most_and_marks_go_on_behind_z():
    options = tuple(str(number) for number in range(255))
    letters = Question(stem="?", options=options, label=254).letters
    assert (letters[0], letters[25:28], letters[-1]) == ("A", ("Z", "AA", "AB"), "IU")
    assert len(set(letters)) == 255
    with pytest.raises(QuestionError, match="256 options; a question has 2 to 255"):
        Question(stem="?", options=(*options, "255"))


def test_yes_and_no_are_the_options_of_a_yes_no_question():
    question = Question(stem="Is 7 prime?", kind="yes_no", label=0)
    assert (question.options, question.answer) == (("Yes", "No"), "Yes")
    with pytest.raises(QuestionError, match="3 options; a question has 2"):
        Question(stem="Is it?", kind="yes_no", options=("yes", "no", "maybe"))


def test_several_options_may_be_right_or_none():
    question = Question(stem="Even?", kind="several", options=("1", "2", "4"), label=[2, 1, 2])
    assert (question.label, question.answer) == ((1, 2), ("2", "4"))
    assert Question(stem="Even?", kind="several", options=("1", "3"), label=()).answer == ()
    assert hash(question)


def test_a_context_that_is_no_text_is_written_as_yaml():
    state = {"customer": {"name": "Zoë", "orders": [7, 9]}, "open": True, "note": None}
    question = Question(stem="Open?", kind="yes_no", context=state)
    assert question.context == (
        "customer:\n  name: Zoë\n  orders:\n  - 7\n  - 9\nopen: true\nnote: null"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "set"}, "kind is 'set'; it must be choice, yes_no, scale, several"),
        ({"kind": "several", "label": 1}, "label 1 must be a list of integers or None"),
        ({"kind": "several", "label": "AB"}, "label 'AB' must be a list of integers or None"),
        ({"kind": "several", "label": [0, 3]}, "label 3 is out of range for 3 options"),
        ({"label": [0, 1]}, r"label \[0, 1\] must be an integer"),
        ({"targets": (0.5, 0.5)}, "there must be a number from 0 to 1 for each of the 3 options"),
        ({"targets": (0.5, 0.5, 0.5)}, "targets sum to 1.5; they must sum to 1"),
        ({"targets": (1.5, 0, 0), "kind": "several"}, "a number from 0 to 1"),
        ({"names": ("a", "b", "a")}, "names must be different texts, one for each option"),
    ],
)
def test_what_does_not_go_with_the_kind_is_refused(fields, message):
    with pytest.raises(QuestionError, match=message):
        Question(stem="Which?", options=("one", "two", "three"), **fields)


def test_the_default_id_is_a_hash_of_stem_and_options():
    expected = hashlib.sha256(b"Bath?\x1fcold\x1fwarm").hexdigest()[:16]
    assert Question(stem="Bath?", options=("cold", "warm"), label=1).id == expected
    assert Question(stem="Bath?", options=("col", "dwarm")).id != expected
    assert Question(stem="Bath?", options=("cold", "warm"), id="q7").id == "q7"


def test_questions_are_values():
    first, second = (Question(stem="Bath?", options=("cold", "warm")) for _ in range(2))
    assert first == second
    assert len({first, second}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.label = 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"stem": " \n"}, "question 'q7': the stem must be a text that is not blank"),
        ({"stem": None}, "the stem must be a text"),
        ({"options": ("one",)}, "1 options; a question has 2 to 255"),
        ({"options": ()}, "0 options"),
        ({"options": "AB"}, "options must be a list of texts, got one text"),
        ({"options": ("cold", " ")}, "option B is ' '"),
        ({"options": ("cold", 7)}, "option B is 7"),
        ({"label": 2}, r"label 2 is out of range for 2 options \(0 to 1\)"),
        ({"label": -1}, "label -1 is out of range"),
        ({"label": "B"}, "label 'B' must be an integer or None"),
        ({"label": True}, "label True must be an integer"),
        ({"label": 1.0}, "label 1.0 must be an integer"),
        ({"label": np.True_}, "label np.True_ must be an integer"),
        ({"label": np.float64(1)}, "label np.float64.1.0. must be an integer"),
        ({"label": np.int64(2)}, "label 2 is out of range"),
    ],
)
def test_a_question_that_cannot_be_asked_says_which_and_why(changed, message):
    with pytest.raises(QuestionError, match=message) as raised:
        Question(**{"stem": "Bath?", "options": ("cold", "warm"), "id": "q7"} | changed)
    assert isinstance(raised.value, McqaError)
    assert isinstance(raised.value, ValueError)
    assert "q7" in str(raised.value)


def test_a_question_without_id_is_named_by_its_stem():
    with pytest.raises(QuestionError, match="question 'Bath"):
        Question(stem="Bath?", options=("cold",))
