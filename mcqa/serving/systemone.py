"""`POST /v1/systemone`: a state and typed questions by name in, probabilities by label out.

Beside the format's own types there is `several`, for any number of right options. What the format
has no field for stands under `mcqa`, and `abstained` beside an answer.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcqa.data.systemone import questions_of
from mcqa.errors import DataError, QuestionError, RequestError
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.serving.hosted import Hosted, confidence

Content = str | dict[str, Any] | list[Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NoulCriteria(_Strict):
    """What counts as yes and as no."""

    true: Content | None = None
    false: Content | None = None


class Noul(_Strict):
    """A yes-or-no question, or a statement."""

    type: Literal["noul"]
    instructions: Content | None = None
    criteria: NoulCriteria | None = None


class Choice(_Strict):
    """One of several labels is right."""

    type: Literal["choice"]
    instructions: Content | None = None
    criteria: dict[str, Content | None]


class Score(_Strict):
    """One of several levels, from the lowest to the highest."""

    type: Literal["score"]
    instructions: Content | None = None
    criteria: list[Content]


class Several(_Strict):
    """Any number of labels is right; an addition of this server's."""

    type: Literal["several"]
    instructions: Content | None = None
    criteria: dict[str, Content | None]


class Box(_Strict):
    """A place in an image, which this server refuses."""

    type: Literal["box"]
    instructions: Content | None = None


class Request(_Strict):
    """What a client asks."""

    model: str | None = None
    state: Content
    questions: dict[
        str, Annotated[Noul | Choice | Score | Several | Box, Field(discriminator="type")]
    ] = Field(min_length=1)
    assets: dict[str, Any] | None = None


def asked(request: Request) -> list[Question]:
    """Return a request's questions, their ids their names; RequestError where one is unfit."""
    if request.assets:
        raise RequestError(
            "this server reads text; it takes no images. Leave out 'assets'.",
            code="images_not_supported",
            where=("assets",),
        )
    for name, question in request.questions.items():
        _check(name, question)
    try:
        # Nulls stay in criteria, where they are labels without a description.
        questions = {name: dict(question) for name, question in request.questions.items()}
        for question in questions.values():
            if isinstance(question.get("criteria"), NoulCriteria):
                question["criteria"] = dict(question["criteria"])
        state, context = request.state, {}
        if isinstance(state, str) and not state.strip():  # nothing to read is a state too
            state, context = "nothing", {"context": None}
        found = questions_of(state, questions).values()
        return [Question(**parts._asdict() | context) for parts in found]
    except (DataError, QuestionError) as error:
        raise RequestError(str(error), where=("questions",)) from error


def _check(name: str, question: BaseModel) -> None:
    where = ("questions", name)
    if isinstance(question, Box):
        raise RequestError(
            f"question {name!r}: type 'box' asks for a place in an image; this server reads text "
            "and answers noul, choice, score and several.",
            code="images_not_supported",
            where=where,
        )
    if isinstance(question, Noul):
        criteria = question.criteria
        if question.instructions is None and not (criteria and (criteria.true or criteria.false)):
            raise RequestError(
                f"question {name!r}: a noul needs 'instructions', or 'criteria' that say what is "
                "true or false.",
                where=where,
            )
    elif len(question.criteria) < 2:
        raise RequestError(
            f"question {name!r}: {len(question.criteria)} criteria; there is nothing to decide "
            "between fewer than 2.",
            where=(*where, "criteria"),
        )


def answer(
    request: Request, hosted: Hosted, predictions: list[Prediction], abstain: float | None
) -> dict:
    """Return the body that answers a request.

    Args:
        predictions: one per question, in order.
        abstain: confidences below are marked; None for no marks.
    """
    pairs = zip(request.questions.items(), predictions, strict=True)
    return {
        "model": hosted.name,
        "answers": {name: _answer(question, own, abstain) for (name, question), own in pairs},
        "usage": {"input_tokens": sum(p.tokens for p in predictions), "output_tokens": 0},
        "mcqa": hosted.about(predictions),
    }


def _answer(question: BaseModel, prediction: Prediction, abstain: float | None) -> dict:
    sure = confidence(prediction)
    marks = {} if abstain is None else {"abstained": sure < abstain}
    if isinstance(question, Noul):
        return {"type": "noul", "noul": prediction.probabilities[0]} | marks
    names = list(map(str, range(len(question.criteria))))
    if not isinstance(question, Score):
        names = list(question.criteria)
    probabilities = dict(zip(names, prediction.probabilities, strict=True))
    found = {"confidence": sure, "probabilities": probabilities} | marks
    if isinstance(question, Score):
        legend = dict(zip(names, question.criteria, strict=True))
        return {"type": "score", "score": prediction.expected, "legend": legend} | found
    if isinstance(question, Choice):
        return {"type": "choice", "choice": names[prediction.choice]} | found
    return {"type": "several", "choices": [names[index] for index in prediction.choice]} | found
