"""What an answer says, whatever kind of question it is to; see `mcqa.kinds`."""

import math
from collections.abc import Sequence

from mcqa.kinds import KINDS, Label
from mcqa.prediction import Prediction


def places(label: Label) -> tuple[int, ...]:
    """Return the options that a label or a choice names, none where it is not known.

    >>> places(2), places((0, 1)), places(None)
    ((2,), (0, 1), ())
    """
    if isinstance(label, tuple):
        return label
    return () if label is None else (label,)


def named(options: Sequence[str], label: Label) -> str:
    """Return the texts of a label's or a choice's options.

    >>> named(["a", "b", "c"], (0, 2)), named(["a", "b"], 1), named(["a", "b"], ())
    ('a; c', 'b', 'none of them')
    """
    return "; ".join(options[place] for place in places(label)) or "none of them"


def confidence(prediction: Prediction) -> float | None:
    """Return the probability of what is chosen, of `several` that of exactly this set.

    None where there are no probabilities, or nothing was read.
    """
    known, choice = prediction.probabilities, prediction.choice
    if not known or choice is None:
        return None
    if isinstance(choice, tuple):
        return math.prod(p if place in choice else 1 - p for place, p in enumerate(known))
    return known[choice]


def verdict(prediction: Prediction) -> str:
    """Say whether an answer is right, and by how much it is not where that has a meaning."""
    label, choice = prediction.label, prediction.choice
    if label is None:
        return "no label"
    if prediction.correct:
        return "right"
    kind = KINDS[prediction.kind]
    if choice is None:
        return "not read"
    if kind.several:
        off = len(set(label) ^ set(choice))
        return f"wrong in {off} option{'s' * (off > 1)}"
    if kind.ordered:
        off = abs(label - choice)
        return f"{off} level{'s' * (off > 1)} off"
    return "wrong"


def variation(a: Prediction, b: Prediction) -> float:
    """Return how far two answers' probabilities lie apart, 0 to 1: their total variation.

    Of `several` it is the mean over the options, each of which is right or not. Without
    probabilities 1 where the choices differ, else 0.
    """
    if not (a.probabilities and b.probabilities):
        return float(a.choice != b.choice)
    pairs = zip(a.probabilities, b.probabilities, strict=True)
    apart = sum(abs(one - other) for one, other in pairs)
    return apart / (len(a.probabilities) if KINDS[a.kind].several else 2)
