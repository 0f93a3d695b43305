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
    assert (question.letters, question.answer) == ("ABC", "warm")
    assert Question(stem="Bath?", options=("cold", "warm")).answer is None


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_an_integer_of_numpy_is_a_label(kind):
    question = Question(stem="Bath?", options=("cold", "warm"), label=kind(1))
    assert (question.label, type(question.label)) == (1, int)
    assert question == Question(stem="Bath?", options=("cold", "warm"), label=1)
    assert json.loads(json.dumps(dataclasses.asdict(question)))["label"] == 1


def test_26_options_are_the_most():
    options = tuple(str(number) for number in range(26))
    assert Question(stem="?", options=options, label=25).letters[-1] == "Z"
    with pytest.raises(QuestionError, match="27 options; a question has 2 to 26"):
        Question(stem="?", options=(*options, "26"))


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
        ({"options": ("one",)}, "1 options; a question has 2 to 26"),
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
