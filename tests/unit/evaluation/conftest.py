import numpy as np
import pytest

from mcqa.evaluation.answers import Answers, pad
from mcqa.prediction import Prediction


@pytest.fixture
def scored():
    """Make a scored prediction of these scores."""

    def make(id, label, scores):
        best = max(range(len(scores)), key=scores.__getitem__)
        return Prediction(
            id=id,
            label=label,
            choice=best,
            scores=tuple(scores),
            probabilities=None,
            unit="logit",
            scorer="head",
            tokens=1,
        )

    return make


@pytest.fixture
def generated():
    """Make a prediction without scores."""

    def make(id, label, choice):
        return Prediction(
            id=id,
            label=label,
            choice=choice,
            scores=None,
            probabilities=None,
            unit=None,
            scorer="generate",
            tokens=1,
            text="",
            parsed="unparsed" if choice is None else "letter",
        )

    return make


@pytest.fixture
def answers_of():
    """Make answers from rows of probabilities (they need not sum to 1)."""

    def make(labels, rows):
        with np.errstate(divide="ignore"):
            scores_NO = np.log(pad(rows))
        return Answers.from_scores([f"q{n}" for n in range(len(rows))], labels, scores_NO)

    return make


@pytest.fixture
def random_answers():
    """Make n random answers to questions of 2 to 5 options, with many ties, some unscored."""

    def make(n, seed=0, unscored=0.0, strength=1.0):
        rng = np.random.default_rng(seed)
        truth = np.random.default_rng(99)  # the same questions for every seed
        option_N = truth.integers(2, 6, size=n)
        label_N = (truth.random(n) * option_N).astype(int)
        scores_NO = rng.normal(size=(n, 5))
        scores_NO[np.arange(n), label_N] += strength
        scores_NO = np.round(scores_NO, 1)
        scores_NO[np.arange(5) >= option_N[:, None]] = np.nan
        answers = Answers.from_scores([f"q{i}" for i in range(n)], label_N, scores_NO)
        none_N = rng.random(n) < unscored
        answers.log_probabilities[none_N] = np.nan
        answers.choices[none_N & (rng.random(n) < 0.5)] = -1
        return answers

    return make
