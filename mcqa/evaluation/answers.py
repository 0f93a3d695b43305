"""One run's answers to labelled questions of one kind that have one right option, as arrays.

Questions differ in how many options they have, and free generation gives no probabilities. Both
leave NaN in one rectangle: comparisons with NaN are false, which is what rankings and maxima want.
The trap: a probability of 1e-400 is 0 in a float, so the logarithms are kept, from the scores.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from mcqa.errors import ConfigError
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction

UNPARSED = -1


@dataclass(frozen=True, eq=False)
class Answers:
    """Hold N labelled questions' answers, O being the most options that any of them has.

    Args:
        labels, choices: (N,) 0-based index of the right and of the chosen option; -1: not parsed.
        log_probabilities: (N, O) in nats, NaN where there is no option or the answer has no scores.
        kind: of all the questions; see `mcqa.evaluation.sets` for those with several right answers.
        targets: (N, O) soft labels, NaN where there are none; None where no question has any.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    choices: np.ndarray
    log_probabilities: np.ndarray
    kind: str = "choice"
    targets: np.ndarray | None = None

    @classmethod
    def of(cls, predictions: Iterable[Prediction]) -> Self:
        """Return the labelled ones of a run's predictions, in their order.

        Raises:
            ConfigError: none is labelled, a label or choice is not one of the options, a score is
                not finite, or they are of several kinds.
        """
        labelled, kind = checked(predictions, several=False)
        scores_NO, targets_NO = scores_and_targets(labelled)
        return cls(
            tuple(prediction.id for prediction in labelled),
            np.array([prediction.label for prediction in labelled]),
            np.array([UNPARSED if p.choice is None else p.choice for p in labelled]),
            log_softmax(scores_NO),
            kind,
            targets_NO,
        )

    @classmethod
    def from_scores(cls, ids: Sequence[str], label_N: Sequence[int], scores_NO: np.ndarray) -> Self:
        """Return answers that choose the highest score, of equal ones the first; NaN: no option."""
        labels = np.asarray(label_N, dtype=int)
        return cls(tuple(ids), labels, first_best(scores_NO), log_softmax(scores_NO))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def correct(self) -> np.ndarray:
        """Whether each choice is the label."""
        return self.choices == self.labels

    @property
    def scored(self) -> np.ndarray:
        """Whether each answer has scores."""
        return ~np.isnan(self.log_probabilities[:, 0])

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the likeliest option, NaN without scores."""
        return np.exp(np.fmax.reduce(self.log_probabilities, axis=1))

    def take(self, index: np.ndarray) -> "Answers":
        """Return the answers at these places (or where a mask is true), in that order."""
        return taken(self, index)

    def keep_scores(self, which_N: np.ndarray) -> "Answers":
        """Return the same answers, without scores where the mask is false."""
        kept_NO = np.where(which_N[:, None], self.log_probabilities, np.nan)
        return replace(self, log_probabilities=kept_NO)

    @property
    def parsed(self) -> np.ndarray:
        """Whether an answer was read."""
        return self.choices != UNPARSED

    @property
    def scores(self) -> np.ndarray:
        """(N, O) the scores that the probabilities are made of, up to a constant."""
        return self.log_probabilities

    @property
    def probabilities(self) -> np.ndarray:
        """(N, O) of the options, NaN where they are not known."""
        return np.exp(self.log_probabilities)

    @property
    def log_likelihood(self) -> np.ndarray:
        """(N,) the logarithm of the right option's probability; all must have scores."""
        return self.log_probabilities[np.arange(len(self)), self.labels]

    @property
    def truth(self) -> np.ndarray:
        """(N, O) 1 for the right option, 0 for the others."""
        places = np.arange(self.log_probabilities.shape[1])
        return (places == self.labels[:, None]).astype(float)

    def rescored(self, scores_NO: np.ndarray) -> "Answers":
        """Return the same choices with the probabilities of other scores."""
        return replace(self, log_probabilities=log_softmax(scores_NO))

    def rechosen(self, scores_NO: np.ndarray) -> "Answers":
        """Return what these scores choose and the probabilities they come to."""
        return replace(self.rescored(scores_NO), choices=first_best(scores_NO))

    def mean_scores(self, other: "Answers") -> np.ndarray:
        """Return the logarithms of the mean of two runs' probabilities."""
        with np.errstate(invalid="ignore"):  # NaN where there is no option
            return np.logaddexp(self.log_probabilities, other.log_probabilities) - np.log(2)

    def same_questions(self, other) -> bool:
        """Return whether others' arrays stand for the same labelled questions, in order."""
        return self.ids == other.ids and not (self.labels != other.labels).any()

    def choice_of(self, place: int) -> int | None:
        """Return the choice at a place as a prediction holds it."""
        return None if self.choices[place] == UNPARSED else int(self.choices[place])


def checked(predictions: Iterable[Prediction], *, several: bool) -> tuple[list[Prediction], str]:
    """Return the labelled ones of predictions and their one kind, see `Answers.of` for errors."""
    labelled = [prediction for prediction in predictions if prediction.label is not None]
    if not labelled:
        raise ConfigError("no prediction has a label; score at least one labelled question.")
    kind, *others = dict.fromkeys(prediction.kind for prediction in labelled)
    if others or KINDS[kind].several != several:
        raise ConfigError(
            f"questions of the kinds {', '.join([kind, *others])} are described each by itself; "
            "see mcqa.evaluation.sets.by_kind."
        )
    for prediction in labelled:
        _check(prediction)
    return labelled, kind


def scores_and_targets(
    predictions: Sequence[Prediction], width: int = 1
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return scores and targets (None without any) as rectangles of one width, at least so wide."""
    scores, targets = [p.scores for p in predictions], [p.targets for p in predictions]
    if any(targets):
        width = max(width, *(len(row or ()) for row in (*scores, *targets)))
    targets_NO = pad(targets, width) if any(targets) else None
    return pad(scores, width), targets_NO


def taken(answers, index: np.ndarray):
    """Return the answers at these places: every array's rows there."""
    arrays = {name: value for name, value in vars(answers).items() if hasattr(value, "shape")}
    ids = tuple(np.array(answers.ids, dtype=object)[index])
    return replace(answers, ids=ids, **{name: value[index] for name, value in arrays.items()})


def pad(rows: Sequence[Sequence[float] | None], width: int = 1) -> np.ndarray:
    """Return rows of different lengths (None: empty) as one rectangle, filled up with NaN.

    It is as wide as the longest row, and at least `width`.
    """
    lengths_N = np.array([0 if row is None else len(row) for row in rows], dtype=int)
    padded_NO = np.full((len(rows), max(width, lengths_N.max(initial=0))), np.nan)
    exists_NO = np.arange(padded_NO.shape[1]) < lengths_N[:, None]
    padded_NO[exists_NO] = [value for row in rows if row is not None for value in row]
    return padded_NO


def log_softmax(scores_NO: np.ndarray) -> np.ndarray:
    """Return the logarithms of the softmax of each row, NaN where the scores are NaN."""
    shifted_NO = scores_NO - np.fmax.reduce(scores_NO, axis=1, keepdims=True)
    total_N1 = np.nansum(np.exp(shifted_NO), axis=1, keepdims=True)
    with np.errstate(divide="ignore"):  # a row of NaN sums to 0, and stays NaN
        return shifted_NO - np.log(total_N1)


def first_best(scores_NO: np.ndarray) -> np.ndarray:
    """Return the place of each row's highest score, the first of equal ones; -1 without any."""
    best_N = np.argmax(np.nan_to_num(scores_NO, nan=-np.inf), axis=1)
    return np.where(np.isnan(scores_NO).all(1), UNPARSED, best_N)


def _check(prediction: Prediction) -> None:
    options = len(prediction.scores or ())
    if not all(map(math.isfinite, prediction.scores or ())):
        raise ConfigError(
            f"question {prediction.id!r}: its scores {prediction.scores} are not all finite "
            "numbers. Score it again, in float32 if it was in a smaller type."
        )
    for name in ("label", "choice"):
        known = getattr(prediction, name)
        for index in known if isinstance(known, tuple) else () if known is None else (known,):
            if index < 0 or (options and index >= options):
                allowed = f"0 to {options - 1}" if options else "0 or more"
                raise ConfigError(
                    f"question {prediction.id!r}: {name} {index} is not one of its options "
                    f"({allowed}). Score it again; labels are 0-based."
                )
