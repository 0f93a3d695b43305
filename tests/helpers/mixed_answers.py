"""Questions of every kind and what a made-up run answers to them."""

from dataclasses import replace

import numpy as np

from mcqa.kinds import KINDS
from mcqa.prediction import Prediction
from mcqa.question import Question

OPTIONS = {"yes_no": (2, 3), "scale": (3, 6), "several": (2, 6), "choice": (2, 6)}


def questions_of(kind, n, *, seed=0, targets=False):
    """Return n questions, the same for every call; some have no subject, most share a state."""
    rng = np.random.default_rng([seed, len(kind)])
    return [_question(kind, number, rng, targets) for number in range(n)]


def mixed_questions(n=40, **how):
    """Return n questions of each kind, kinds taking turns."""
    return [q for row in zip(*(questions_of(k, n, **how) for k in KINDS), strict=True) for q in row]


def _question(kind, number, rng, with_targets):
    size = int(rng.integers(*OPTIONS[kind]))
    right = rng.random(size) < 0.4
    label = tuple(np.flatnonzero(right).tolist()) if KINDS[kind].several else int(np.argmax(right))
    targets = rng.random(size)
    targets = targets if KINDS[kind].several else targets / targets.sum()
    return Question(
        id=f"{kind}{number}",
        stem=f"Stem {number} of {kind}?",
        options=() if kind == "yes_no" else [f"option {at}" for at in range(size)],
        label=label,
        kind=kind,
        targets=targets if with_targets else None,
        subject=("Art", "Law", None)[number % 3],
        state_id=f"state {number // 2}" if number % 5 else None,
    )


def answer(questions, *, seed=0, strength=1.0, unscored=0.0):
    """Return a scored run's answers, with ties; a share of them has no scores, as if generated."""
    rng = np.random.default_rng(seed)
    predictions = []
    for question in questions:
        truth = np.zeros(len(question.options))
        truth[list(question.label) if isinstance(question.label, tuple) else question.label] = 1
        scores = np.round(rng.normal(size=len(truth)) + strength * (2 * truth - 1), 1)
        about = {"unit": "nats", "scorer": "text", "tokens": 7}
        scored = Prediction.scored(question, scores.tolist(), **about)
        if rng.random() < unscored:
            choice = scored.choice if rng.random() < 0.7 else None
            without = {"scores": None, "probabilities": None, "unit": None, "choice": choice}
            scored = replace(scored, **without, text="", parsed="letter")
        predictions.append(scored)
    return predictions
