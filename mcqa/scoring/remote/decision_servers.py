"""Ask decision servers, `/v1/systemone` and `/v1/decisions`, and read their probabilities.

Scores are log-probabilities, of `several` log-odds, so that everything that takes scores of ours
takes theirs. A probability of 0 counts as 1e-12.
"""

import math
from collections.abc import Sequence
from typing import Any

from mcqa.errors import RunError
from mcqa.kinds import KINDS
from mcqa.question import Question

LEAST = 1e-12
ROUNDED = 0.02  # by how much probabilities may miss a sum of 1
SYSTEMONE_TYPES = {"choice": "choice", "yes_no": "noul", "scale": "score", "several": "several"}
NAME = "question"


def unusable(question: Question, reason: str) -> RunError:
    """Return the error of an answer that cannot be used."""
    return RunError(f"question {question.id!r}: the server's answer cannot be used: {reason}.")


def systemone_body(question: Question, model: str) -> dict:
    """Return a request of one question; options are labels, in their order."""
    asked: dict[str, Any] = {"type": SYSTEMONE_TYPES[question.kind], "instructions": question.stem}
    if question.kind == "scale":
        asked["criteria"] = list(question.options)
    elif question.kind != "yes_no":
        asked["criteria"] = dict.fromkeys(_labels(question))
    return {"model": model, "state": question.context or "", "questions": {NAME: asked}}


def _labels(question: Question) -> list[str]:
    """Return the options; those that stand there twice with a number."""
    options = list(question.options)
    if len(set(options)) == len(options):
        return options
    return [f"{mark}. {option}" for mark, option in zip(question.letters, options, strict=True)]


def systemone_scores(answer: dict, question: Question) -> list[float]:
    """Return an option's score each; RunError where the answer is none to this question."""
    found = _get(answer, "answers", NAME, question=question)
    if question.kind == "yes_no":
        yes = _number(_get(found, "noul", question=question), question)
        return _scores([yes, 1 - yes], question)
    given = _get(found, "probabilities", question=question)
    scale = question.kind == "scale"
    labels = list(map(str, range(len(question.options)))) if scale else _labels(question)
    if not isinstance(given, dict) or given.keys() != set(labels):
        got = ", ".join(map(repr, given)) if isinstance(given, dict) else repr(given)
        raise unusable(question, f"probabilities of {got}; asked were {', '.join(labels)}")
    return _scores([given[label] for label in labels], question)


def decisions_body(question: Question, model: str) -> dict:
    """Return a request of one question."""
    asked: dict[str, Any] = {"type": "predicate", "instructions": question.stem, "name": NAME}
    if question.kind == "scale":
        levels = [{"label": option} for option in question.options]
        asked |= {"type": "score", "levels": levels}
    elif question.kind != "yes_no":
        asked |= {"type": "choice", "choices": [{"value": label} for label in _labels(question)]}
    return {"model": model, "input": question.context or "", "questions": [asked]}


def decisions_scores(answer: dict, question: Question) -> list[float]:
    """Return an option's score each; as `systemone_scores`."""
    found = _get(answer, "answers", 0, question=question)
    if _get(found, "type", question=question) == "refusal":
        raise unusable(question, "it is a refusal")
    if question.kind == "yes_no":
        yes = _number(_get(found, "probability", question=question), question)
        return _scores([yes, 1 - yes], question)
    scale, given = question.kind == "scale", _get(found, "probabilities", question=question)
    labels = list(range(len(question.options))) if scale else _labels(question)
    values = [_get(one, "value", question=question) for one in given]
    if values != labels:
        raise unusable(question, f"probabilities of {values}; asked were {labels}")
    return _scores([_get(one, "probability", question=question) for one in given], question)


def _get(value: Any, *path: str | int, question: Question) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError) as error:
            raise unusable(question, f"it has no {step!r} in {value!r:.80}") from error
    return value


def _number(value: Any, question: Question) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise unusable(question, f"{value!r} is no probability")
    return float(value)


def _scores(probabilities: Sequence, question: Question) -> list[float]:
    numbers = [_number(value, question) for value in probabilities]
    logs = [math.log(max(p, LEAST)) for p in numbers]
    if KINDS[question.kind].several:
        return [log - math.log(max(1 - p, LEAST)) for log, p in zip(logs, numbers, strict=True)]
    if abs(sum(numbers) - 1) > ROUNDED:
        raise unusable(question, f"probabilities that sum to {sum(numbers):.3g}, not 1")
    return logs


def tokens_of(answer: dict) -> int:
    """Return how many tokens a server says that it read; 0 where it does not say."""
    usage = answer.get("usage")
    told = usage.get("input_tokens", usage.get("prompt_tokens")) if isinstance(usage, dict) else 0
    return told if type(told) is int else 0
