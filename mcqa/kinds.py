"""What a kind of question changes: what a label is, and what its scores mean.

Everything else is the same for all kinds. Whoever needs to know asks `KINDS[question.kind]`, and no
other place compares names of kinds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Label = int | tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Say what holds for the questions of one kind.

    Args:
        name: as files and users write it.
        several: whether any number of options may be right. A label is then the right options'
            indices in rising order, and each option has a probability of its own; otherwise a label
            is one index, and the probabilities sum to 1.
        ordered: whether the options are levels, from the lowest to the highest.
        threshold: whether it is worth knowing from which probability on, of an option or of yes, to
            believe it.
        loss: what the head learns by, a name of `heads.losses`; None for the head's own.
        options: what the options are where a row names none.
        description: one line for people.
    """

    name: str
    several: bool = False
    ordered: bool = False
    threshold: bool = False
    loss: str | None = None
    options: tuple[str, ...] = ()
    description: str = ""

    def probabilities(self, scores: Sequence[float], temperature: float = 1.0) -> tuple[float, ...]:
        """Return what scores over a temperature come to: a softmax, or a sigmoid for each option.

        >>> KINDS["several"].probabilities([0.0, 0.0]), KINDS["choice"].probabilities([0.0, 0.0])
        ((0.5, 0.5), (0.5, 0.5))
        """
        cooled = [score / temperature for score in scores]
        return tuple(map(_sigmoid, cooled)) if self.several else _softmax(cooled)

    def chance(self, options: int) -> float:
        """Return how often an answer drawn by lot is right, of all sets where any number is.

        >>> KINDS["several"].chance(3), KINDS["choice"].chance(4)
        (0.125, 0.25)
        """
        return 0.5**options if self.several else 1 / options

    def choose(self, scores: Sequence[float], threshold: float = 0.5) -> int | tuple[int, ...]:
        """Return the option of the highest score, the first of several; or all that are likely.

        Args:
            scores: one finite number per option.
            threshold: the probability, at temperature 1, from which on an option counts as right,
                between 0 and 1; for questions with several right answers only.

        >>> KINDS["several"].choose([2.0, -1.0, 0.5]), KINDS["choice"].choose([2.0, -1.0, 0.5])
        ((0, 2), 0)
        """
        if not self.several:
            return scores.index(max(scores))
        least = math.log(threshold / (1 - threshold))
        return tuple(index for index, score in enumerate(scores) if score >= least)

    def label_of(self, targets: Sequence[float]) -> Label:
        """Return the answer that soft labels come to; None where several are likeliest.

        >>> KINDS["choice"].label_of([0.2, 0.8]), KINDS["choice"].label_of([0.5, 0.5])
        (1, None)
        >>> KINDS["several"].label_of([0.9, 0.2, 0.6])
        (0, 2)
        """
        if self.several:
            return tuple(index for index, target in enumerate(targets) if target > 0.5)
        likeliest = max(targets)
        return targets.index(likeliest) if targets.count(likeliest) == 1 else None


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="choice", description="one option is right"),
        Kind(
            name="yes_no",
            threshold=True,
            options=("Yes", "No"),
            description="two options, the first of which says yes",
        ),
        Kind(
            name="scale",
            ordered=True,
            loss="cumulative",
            description="one of several levels, given from the lowest to the highest",
        ),
        Kind(
            name="several",
            several=True,
            threshold=True,
            loss="binary",
            description="any number of options is right",
        ),
    )
}


def expected_level(probabilities: Sequence[float]) -> float:
    """Return the mean level of a scale, counted from 0.

    >>> expected_level([0.25, 0.5, 0.25])
    1.0
    """
    return math.fsum(level * p for level, p in enumerate(probabilities))


def median_level(probabilities: Sequence[float]) -> int:
    """Return the lowest level of a scale at which half of the probability is reached.

    >>> median_level([0.25, 0.5, 0.25]), median_level([0.5, 0.5])
    (1, 0)
    """
    reached = 0.0
    for level, probability in enumerate(probabilities):
        reached += probability
        if reached >= 0.5 - 1e-12:
            return level
    return len(probabilities) - 1


def _softmax(scores: Sequence[float]) -> tuple[float, ...]:
    best = max(scores)
    weights = [math.exp(score - best) for score in scores]
    return tuple(weight / sum(weights) for weight in weights)


def _sigmoid(score: float) -> float:
    if score >= 0:
        return 1 / (1 + math.exp(-score))
    return math.exp(score) / (1 + math.exp(score))
