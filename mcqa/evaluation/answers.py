"""One run's answers to labelled questions, as arrays.

Questions differ in how many options they have, and free generation gives no probabilities. Both
leave NaN in one rectangle: comparisons with NaN are false, which is what rankings and maxima want.
The trap: a probability of 1e-400 is 0 in a float, so the logarithms are kept, from the scores.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mcqa.errors import ConfigError
from mcqa.prediction import Prediction

UNPARSED = -1


@dataclass(frozen=True, eq=False)
class Answers:
    """Hold N labelled questions' answers, O being the most options that any of them has.

    Args:
        labels, choices: (N,) 0-based index of the right and of the chosen option; -1: not parsed.
        log_probabilities: (N, O) in nats, NaN where there is no option or the answer has no scores.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    choices: np.ndarray
    log_probabilities: np.ndarray

    @classmethod
    def of(cls, predictions: Iterable[Prediction]) -> Self:
        """Return the labelled ones of a run's predictions, in their order.

        Raises:
            ConfigError: none is labelled, a label or choice is not one of the options, or a score
                is not finite.
        """
        labelled = [prediction for prediction in predictions if prediction.label is not None]
        if not labelled:
            raise ConfigError("no prediction has a label; score at least one labelled question.")
        for prediction in labelled:
            _check(prediction)
        return cls(
            tuple(prediction.id for prediction in labelled),
            np.array([prediction.label for prediction in labelled]),
            np.array([UNPARSED if p.choice is None else p.choice for p in labelled]),
            log_softmax(pad([prediction.scores for prediction in labelled])),
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
        ids = tuple(np.array(self.ids, dtype=object)[index])
        arrays = self.labels, self.choices, self.log_probabilities
        return Answers(ids, *(array[index] for array in arrays))


def pad(rows: Sequence[Sequence[float] | None]) -> np.ndarray:
    """Return rows of different lengths (None: empty) as one rectangle, filled up with NaN."""
    lengths_N = np.array([0 if row is None else len(row) for row in rows], dtype=int)
    padded_NO = np.full((len(rows), max(1, lengths_N.max(initial=0))), np.nan)
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
        index = getattr(prediction, name)
        if index is not None and (index < 0 or (options and index >= options)):
            allowed = f"0 to {options - 1}" if options else "0 or more"
            raise ConfigError(
                f"question {prediction.id!r}: {name} {index} is not one of its options "
                f"({allowed}). Score it again; labels are 0-based."
            )
