"""The tiny model as a server's, with a temperature that it did not fit."""

import pytest

from mcqa.question import Question
from mcqa.serving.hosted import host


@pytest.fixture(scope="module")
def tiny_scorer(tiny_model_folder):
    from mcqa.scoring.loading import load_scorer

    scorer = load_scorer(str(tiny_model_folder), "text-mean", device="cpu", dtype="float32")
    scorer.calibration = {"choice": {"temperature": 2.0}, "scale": {"temperature": 3.0}}
    return scorer


@pytest.fixture(scope="module")
def tiny_hosted(tiny_scorer):
    return host("tiny", tiny_scorer)


@pytest.fixture(scope="module")
def fruit():
    return Question(
        stem="Which of these is a fruit?",
        options=("pear", "hammer: a tool"),
        context="Two friends sort what lies on the table.",
        id="fruit",
    )
