"""`/v1/decisions`: from a request to questions, and from predictions to its answers."""

import pytest

from mcqa.errors import RequestError
from mcqa.prediction import Prediction
from mcqa.serving import decisions

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
QUESTIONS = [
    {"type": "predicate", "instructions": "It is late.", "name": "late"},
    {
        "type": "choice",
        "instructions": [{"type": "input_text", "text": "Which?"}],
        "choices": [{"value": True}, {"value": "true", "description": "The word"}],
    },
    {"type": "predicate", "instructions": [IMAGE]},
    {
        "type": "score",
        "instructions": "How hot?",
        "levels": [{"label": "cold"}, {"label": "hot", "description": "Steam"}],
    },
]


def read(**changes):
    return decisions.Request.model_validate({"input": "A state.", "questions": QUESTIONS} | changes)


def test_questions_are_read_in_order_without_what_is_refused():
    late, which, heat = decisions.asked(read())
    assert (late.kind, late.id, late.context) == ("yes_no", "late", "A state.")
    assert (which.stem, which.options) == ("Which?", ("true", "true: The word"))
    assert (heat.kind, heat.options) == ("scale", ("cold", "hot: Steam"))


def test_answers_come_in_the_order_asked_and_images_are_refused(tiny_hosted):
    questions = decisions.asked(read())
    scores = ([1.0, 0.0], [0.0, 2.0], [0.0, 1.0])
    own = [
        Prediction.scored(q, s, unit="nats", scorer="text", tokens=5)
        for q, s in zip(questions, scores, strict=True)
    ]
    body = decisions.answer(read(), tiny_hosted, own, None)
    late, which, refused, heat = body["answers"]
    assert late == {"type": "predicate", "name": "late", "probability": own[0].probabilities[0]}
    assert which["choice"] == "true"
    assert [p["value"] for p in which["probabilities"]] == [True, "true"]
    assert refused["type"] == "refusal"
    assert "no images" in refused["reason"]
    assert heat["score"] == own[2].expected
    assert [p["label"] for p in heat["probabilities"]] == ["cold", "hot"]
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] == 15


def test_messages_are_read_with_who_wrote_them():
    given = [
        {"role": "system", "content": "Be fair."},
        {"role": "user", "content": [{"type": "input_json", "data": {"order": 7}}]},
        {"type": "function_call", "call_id": "1", "name": "look", "arguments": '{"id": 7}'},
        {"type": "function_call_output", "call_id": "1", "output": "late"},
    ]
    (question,) = decisions.asked(read(input=given, questions=QUESTIONS[:1]))
    assert question.context == (
        "- system: Be fair.\n- user: 'order: 7'\n- call: look\n  input:\n    id: 7\n- output: late"
    )
    alone = [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]
    assert decisions.asked(read(input=alone))[0].context == "Hello"


def test_a_blank_input_is_nothing_to_read():
    assert {question.context for question in decisions.asked(read(input=" "))} == {None}


def test_an_image_in_the_input_refuses_every_question(tiny_hosted):
    request = read(input=[{"role": "user", "content": [IMAGE]}])
    assert decisions.asked(request) == []
    answers = decisions.answer(request, tiny_hosted, [], None)["answers"]
    assert [answer["type"] for answer in answers] == ["refusal"] * 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input": [{"type": "function_call_output", "call_id": "9", "output": "x"}]}, "'9'"),
        ({"questions": [QUESTIONS[1] | {"choices": [{"value": "a"}] * 2}]}, "unique"),
        ({"questions": [QUESTIONS[1] | {"choices": [{"value": "a"}]}]}, "fewer than 2"),
        ({"questions": [QUESTIONS[3] | {"levels": []}]}, "0 levels"),
        ({"questions": [QUESTIONS[0] | {"instructions": " "}]}, "stem"),
    ],
)
def test_what_cannot_be_answered_is_refused(changes, said):
    with pytest.raises(RequestError, match=said):
        decisions.asked(read(**changes))
