"""`POST /v1/decisions`: an input and a list of typed questions in, answers in their order out.

A question that needs an image is answered with a refusal, which the format has, and the reason
beside it. Who wrote a message is part of what is read.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcqa.errors import QuestionError, RequestError
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction
from mcqa.question import Question, readable
from mcqa.serving.hosted import Hosted, confidence

IMAGE = "this server reads text; it takes no images"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Text(_Strict):
    """A part that is text."""

    type: Literal["input_text", "output_text"]
    text: str
    prompt_cache_breakpoint: dict[str, Any] | None = None


class Data(_Strict):
    """A part that is JSON."""

    type: Literal["input_json"]
    data: dict[str, Any] | list[dict[str, Any]]


class Image(_Strict):
    """A part that is an image, which this server refuses."""

    type: Literal["input_image"]
    image_url: str
    detail: str | None = None
    prompt_cache_breakpoint: dict[str, Any] | None = None


class Refused(_Strict):
    """What an assistant refused to say."""

    type: Literal["refusal"]
    refusal: str


Part = Annotated[Text | Data | Image | Refused, Field(discriminator="type")]
Parts = str | list[Part]


class Message(_Strict):
    """What somebody said."""

    type: Literal["message"] = "message"
    role: Literal["user", "developer", "system", "assistant"]
    content: Parts
    phase: str | None = None


class Call(_Strict):
    """A tool that was called."""

    type: Literal["function_call", "custom_tool_call"]
    call_id: str
    name: str
    arguments: str | None = None
    input: str | None = None
    id: str | None = None
    namespace: str | None = None
    status: str | None = None


class Output(_Strict):
    """What a tool returned."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: Parts
    id: str | None = None
    namespace: str | None = None
    status: str | None = None


class Predicate(_Strict):
    """How likely is a statement to be true?"""

    type: Literal["predicate"]
    instructions: Parts
    name: str | None = None


class ChoiceOption(_Strict):
    """One of the choices; a text and a boolean are different values."""

    value: str | bool
    description: str | None = None


class Choice(_Strict):
    """One of several values is right."""

    type: Literal["choice"]
    instructions: Parts
    choices: list[ChoiceOption]
    name: str | None = None


class Level(_Strict):
    """One of the levels, from the lowest to the highest."""

    label: str
    description: str | None = None


class Score(_Strict):
    """One of several levels."""

    type: Literal["score"]
    instructions: Parts
    levels: list[Level]
    name: str | None = None


class Request(_Strict):
    """What a client asks; what concerns caches and end users changes nothing here."""

    model: str | None = None
    input: str | list[Message | Call | Output]
    questions: list[Annotated[Predicate | Choice | Score, Field(discriminator="type")]] = Field(
        min_length=1
    )
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    safety_identifier: str | None = None


def asked(request: Request) -> list[Question]:
    """Return the questions that are not refused; RequestError where one is unfit."""
    if _has_image(request.input):
        return []
    context = _context(request.input)
    return [
        _question(place, question, context)
        for place, question in enumerate(request.questions)
        if not _has_image(question.instructions)
    ]


def _has_image(content: Any) -> bool:
    if isinstance(content, list):
        return any(map(_has_image, content))
    inner = getattr(content, "content", getattr(content, "output", None))
    return isinstance(content, Image) or (inner is not None and _has_image(inner))


def _context(given: str | list[Message | Call | Output]) -> str | None:
    """Return what is read before the questions: a text as it is, messages by who wrote them.

    None where that is blank.
    """
    if not isinstance(given, str):
        called = {item.call_id for item in given if isinstance(item, Call)}
        for place, item in enumerate(given):
            if isinstance(item, Output) and item.call_id not in called:
                raise RequestError(
                    f"an output of the call {item.call_id!r}, which is not in the input.",
                    where=("input", place),
                )
        if len(given) == 1 and isinstance(given[0], Message):
            given = _text(given[0].content)
        else:
            given = readable([_said(item) for item in given]) if given else ""
    return given if given.strip() else None


def _said(item: Message | Call | Output) -> dict:
    if isinstance(item, Message):
        return {item.role: _text(item.content)}
    if isinstance(item, Output):
        return {"output": _text(item.output)}
    given = item.arguments if item.input is None else item.input
    try:
        return {"call": item.name, "input": json.loads(given or "")}
    except ValueError:
        return {"call": item.name, "input": given}


def _text(parts: Parts) -> str:
    if isinstance(parts, str):
        return parts
    return "\n".join(
        part.text
        if isinstance(part, Text)
        else part.refusal
        if isinstance(part, Refused)
        else readable(part.data)
        for part in parts
    )


def _question(place: int, question: Predicate | Choice | Score, context: str | None) -> Question:
    where, options = ("questions", place), ()
    if isinstance(question, Choice):
        values = [(type(choice.value), choice.value) for choice in question.choices]
        if len(set(values)) < len(values):
            raise RequestError("each choice must be unique.", where=(*where, "choices"))
        options = tuple(
            _with(str(c.value).lower() if isinstance(c.value, bool) else c.value, c.description)
            for c in question.choices
        )
        least = (*where, "choices")
    elif isinstance(question, Score):
        options = tuple(_with(level.label, level.description) for level in question.levels)
        least = (*where, "levels")
    if not isinstance(question, Predicate) and len(options) < 2:
        raise RequestError(
            f"{len(options)} {least[-1]}; there is nothing to decide between fewer than 2.",
            where=least,
        )
    kind = {"predicate": "yes_no", "score": "scale"}.get(question.type, "choice")
    name = question.name or str(place)
    try:
        stem = _text(question.instructions)
        return Question(stem=stem, options=options, kind=kind, context=context, id=name)
    except QuestionError as error:
        raise RequestError(str(error), where=where) from error


def _with(name: str, description: str | None) -> str:
    return f"{name}: {description}" if description and description.strip() else name


def answer(
    request: Request, hosted: Hosted, predictions: list[Prediction], abstain: float | None
) -> dict:
    """Return the body that answers a request; as `mcqa.serving.systemone.answer`."""
    rest = iter(predictions)
    whole = _has_image(request.input)
    answers = [
        {"type": "refusal", "name": question.name, "reason": IMAGE}
        if whole or _has_image(question.instructions)
        else _answer(question, next(rest), abstain)
        for question in request.questions
    ]
    tokens = sum(prediction.tokens for prediction in predictions)
    return {
        "model": hosted.name,
        "answers": answers,
        "usage": {
            "input_tokens": tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens,
        },
        "mcqa": hosted.about(predictions),
    }


def _answer(question: BaseModel, prediction: Prediction, abstain: float | None) -> dict:
    sure = confidence(prediction)
    found = {"type": question.type, "name": question.name}
    found |= {} if abstain is None else {"abstained": sure < abstain}
    if KINDS[prediction.kind].options:
        return found | {"probability": prediction.probabilities[0]}
    found |= {"confidence": sure}
    if isinstance(question, Choice):
        values = [choice.value for choice in question.choices]
        pairs = zip(values, prediction.probabilities, strict=True)
        own = [{"value": value, "probability": p} for value, p in pairs]
        return found | {"choice": values[prediction.choice], "probabilities": own}
    levels = zip(question.levels, prediction.probabilities, strict=True)
    own = [
        {"value": value, "label": level.label, "probability": p}
        for value, (level, p) in enumerate(levels)
    ]
    return found | {"score": prediction.expected, "probabilities": own}
