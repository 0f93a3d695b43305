"""`/v1/systemone`: from a request to questions, and from predictions to its answers."""

import pytest

from mcqa.errors import RequestError
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction
from mcqa.serving import systemone

STATE = {"order": 7, "items": ["pen"]}
ASKED = {
    "late": {"type": "noul", "instructions": "Is it late?", "criteria": {"true": "Over a week"}},
    "mood": {"type": "choice", "criteria": {"calm": None, "angry": "Shouts"}},
    "heat": {"type": "score", "instructions": "How hot?", "criteria": ["cold", "warm", "hot"]},
    "tags": {"type": "several", "instructions": "Which fit?", "criteria": {"a": None, "b": None}},
}


def read(**changes):
    return systemone.Request.model_validate({"state": STATE, "questions": ASKED} | changes)


def scored(question, scores):
    return Prediction.scored(question, scores, unit="nats", scorer="text", tokens=10)


def test_questions_share_the_state_and_keep_their_names():
    late, mood, heat, tags = systemone.asked(read())
    assert {q.context for q in (late, mood, heat, tags)} == {"order: 7\nitems:\n- pen"}
    assert (late.id, late.kind, late.options) == ("late", "yes_no", ("Yes: Over a week", "No"))
    assert (mood.kind, mood.options) == ("choice", ("calm", "angry: Shouts"))
    assert (heat.kind, heat.options) == ("scale", ("cold", "warm", "hot"))
    assert (tags.kind, tags.stem) == ("several", "Which fit?")


def test_a_blank_state_is_nothing_to_read():
    assert {question.context for question in systemone.asked(read(state=" "))} == {None}


def test_answers_have_the_shape_of_their_question(tiny_hosted):
    questions = systemone.asked(read())
    scores = ([1.0, 0.0], [0.0, 2.0], [0.0, 0.0, 5.0], [3.0, -1.0])
    predictions = list(map(scored, questions, scores))
    body = systemone.answer(read(), tiny_hosted, predictions, 0.75)
    late, mood, heat, tags = body["answers"].values()
    assert late == {"type": "noul", "noul": predictions[0].probabilities[0], "abstained": True}
    assert mood["choice"] == "angry"
    assert mood["probabilities"] == dict(
        zip(("calm", "angry"), predictions[1].probabilities, strict=True)
    )
    assert mood["confidence"] == predictions[1].probabilities[1]
    assert mood["abstained"] is False
    assert heat["legend"] == {"0": "cold", "1": "warm", "2": "hot"}
    assert heat["score"] == predictions[2].expected
    assert list(heat["probabilities"]) == ["0", "1", "2"]
    assert tags["choices"] == ["a"]
    assert tags["confidence"] == 1 - KINDS["several"].probabilities([-1.0])[0]
    assert body["usage"] == {"input_tokens": 40, "output_tokens": 0}
    about = body["mcqa"]
    assert about["temperature"] == {"choice": 2.0, "scale": 3.0, "several": None, "yes_no": None}
    assert about["checksum"] == f"sha256:{tiny_hosted.checksum}"
    assert "probability of the answer" in about["confidence"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"assets": {"x": {}}}, "takes no images"),
        ({"questions": {"b": {"type": "box"}}}, "place in an image"),
        ({"questions": {"n": {"type": "noul"}}}, "needs 'instructions'"),
        ({"questions": {"c": {"type": "choice", "criteria": {"a": None}}}}, "fewer than 2"),
        ({"questions": {"c": {"type": "choice", "criteria": {"a": None, " ": None}}}}, "not blank"),
        ({"state": {}}, "'state'"),
    ],
)
def test_what_cannot_be_answered_is_refused(changes, said):
    with pytest.raises(RequestError, match=said):
        systemone.asked(read(**changes))
