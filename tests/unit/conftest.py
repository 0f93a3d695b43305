"""Twelve questions of two subjects, and what three runs answered: `1` right, `0` wrong."""

import json
from types import MappingProxyType

import pytest

from mcqa.evaluating.folder import Evaluation, Validation, write_answers
from mcqa.evaluation.metrics import summarize
from mcqa.prediction import Prediction
from mcqa.question import Question

RIGHT = {"first": "111111110000", "second": "111111001100"}


@pytest.fixture
def questions():
    """The right option is the first; odd questions have three options and no subject."""
    return [
        Question(
            id=f"q{number}",
            stem=f"Stem {number}?",
            options=("yes", "no", "maybe")[: 2 + number % 2],
            label=0,
            subject=None if number % 2 else ("Art" if number < 4 else "Law"),
            context="Context." if number == 6 else None,
        )
        for number in range(12)
    ]


@pytest.fixture
def answer(questions):
    """Make a run that gives a right answer log odds of 2, a wrong one of -1."""

    def run(outcomes):
        rows = []
        for question, right in zip(questions, outcomes, strict=True):
            best = [2.0, 0.0] if right == "1" else [0.0, 1.0]
            scores = best + [-5.0] * (len(question.options) - 2)
            rows.append(Prediction.scored(question, scores, unit="logit", scorer="head", tokens=3))
        return rows

    return run


@pytest.fixture
def generated(questions):
    """Make a run without scores; `?` was not parsed."""

    def run(outcomes):
        return [
            Prediction(
                id=question.id,
                label=question.label,
                choice={"1": 0, "0": 1, "?": None}[right],
                scores=None,
                probabilities=None,
                unit=None,
                scorer="generate",
                tokens=3,
                text="A",
                parsed="unparsed" if right == "?" else "letter",
            )
            for question, right in zip(questions, outcomes, strict=True)
        ]

    return run


@pytest.fixture
def evaluated(answer, tmp_path):
    """Leave two runs' predictions in folders, as scoring does, and return the evaluations."""

    def make(answers=None, folder=tmp_path, validations=MappingProxyType({})):
        answers = answers or {name: answer(right) for name, right in RIGHT.items()}
        evaluations = []
        for name, predictions in answers.items():
            metrics = summarize(predictions, 4.0, 2_000_000)
            cost = {
                "trainable_parameters": 8,
                "training_seconds": 2.0,
                "training_memory_bytes": 1_000,
                "adapter_bytes": 64,
            }
            validation = validations.get(name) or Validation([], "No temperature: a reason.")
            held = predictions, metrics, cost, validation
            evaluations.append(Evaluation(name, folder / name, "head", "cloze", *held))
            write_answers(evaluations[-1])
        return evaluations

    return make


@pytest.fixture
def read():
    return lambda path: json.loads(path.read_text(encoding="utf-8"))
