"""One run's answers to questions with several right options, as arrays; and answers by kind.

It has what `Answers` has, so that what counts and compares right answers need not tell the two
apart. An answer is right if it is exactly the right set. The trap: an empty set is an answer; what
could not be read is none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from mcqa.evaluation.answers import Answers, checked, scores_and_targets, taken
from mcqa.evaluation.resampling import divide
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction

LIKELY = 0.5  # from which probability on an option is chosen where answers are combined


@dataclass(frozen=True, eq=False)
class SetAnswers:
    """Hold N labelled questions' answers, O being the most options that any of them has.

    Args:
        labels, choices: (N, O) whether each option is right, and whether it is chosen.
        parsed: (N,) whether an answer was read; what was not has no choices.
        log_odds: (N, O) scores of the options, NaN where there is no option or there are no scores.
        kind, targets: as in `Answers`.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    choices: np.ndarray
    parsed: np.ndarray
    log_odds: np.ndarray
    kind: str = "several"
    targets: np.ndarray | None = None

    @classmethod
    def of(cls, predictions: Iterable[Prediction]) -> Self:
        """Return the labelled ones of a run's predictions; see `Answers.of`."""
        labelled, kind = checked(predictions, several=True)
        labels, choices = [p.label for p in labelled], [p.choice or () for p in labelled]
        width = 1 + max((index for row in (*labels, *choices) for index in row), default=0)
        log_odds_NO, targets_NO = scores_and_targets(labelled, width)
        return cls(
            tuple(prediction.id for prediction in labelled),
            _mask(labels, log_odds_NO.shape[1]),
            _mask(choices, log_odds_NO.shape[1]),
            np.array([prediction.choice is not None for prediction in labelled]),
            log_odds_NO,
            kind,
            targets_NO,
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def correct(self) -> np.ndarray:
        """Whether each choice is exactly the right set."""
        return self.parsed & (self.labels == self.choices).all(1)

    @property
    def scored(self) -> np.ndarray:
        """Whether each answer has scores."""
        return ~np.isnan(self.log_odds[:, 0])

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the choice as a set, the product over the options; NaN unscored."""
        return np.exp(self._log_likelihood(self.choices))

    @property
    def scores(self) -> np.ndarray:
        """(N, O) the scores that the probabilities are made of."""
        return self.log_odds

    @property
    def probabilities(self) -> np.ndarray:
        """(N, O) of each option, that it is right; NaN where it is not known."""
        return np.exp(-softplus(-self.log_odds))

    @property
    def log_likelihood(self) -> np.ndarray:
        """(N,) the logarithm of the probability of the right set, NaN without scores."""
        return self._log_likelihood(self.labels)

    @property
    def truth(self) -> np.ndarray:
        """(N, O) 1 for each right option, 0 for the others."""
        return self.labels.astype(float)

    def take(self, index: np.ndarray) -> "SetAnswers":
        """Return the answers at these places (or where a mask is true), in that order."""
        return taken(self, index)

    def keep_scores(self, which_N: np.ndarray) -> "SetAnswers":
        """Return the same answers, without scores where the mask is false."""
        return replace(self, log_odds=np.where(which_N[:, None], self.log_odds, np.nan))

    def rescored(self, scores_NO: np.ndarray) -> "SetAnswers":
        """Return the same choices with the probabilities of other scores."""
        return replace(self, log_odds=scores_NO)

    def rechosen(self, scores_NO: np.ndarray) -> "SetAnswers":
        """Return what these scores choose, each option that is likely, and their probabilities."""
        chosen_NO = np.nan_to_num(scores_NO, nan=-np.inf) >= np.log(LIKELY / (1 - LIKELY))
        parsed_N = ~np.isnan(scores_NO).all(1)
        return replace(self, choices=chosen_NO, parsed=parsed_N, log_odds=scores_NO)

    def mean_scores(self, other: "SetAnswers") -> np.ndarray:
        """Return the log-odds of the mean of two runs' probabilities."""
        right_NO, wrong_NO = (
            _log_sum(-softplus(-sign * self.log_odds), -softplus(-sign * other.log_odds))
            for sign in (1, -1)
        )
        return right_NO - wrong_NO

    def same_questions(self, other) -> bool:
        """Return whether others' arrays stand for the same labelled questions, in order."""
        return self.ids == other.ids and _sets(self.labels) == _sets(other.labels)

    def choice_of(self, place: int) -> tuple[int, ...] | None:
        """Return the choice at a place as a prediction holds it."""
        return _sets(self.choices[[place]])[0] if self.parsed[place] else None

    def _log_likelihood(self, chosen_NO: np.ndarray) -> np.ndarray:
        log_NO = -softplus(np.where(chosen_NO, -self.log_odds, self.log_odds))
        return np.where(self.scored, np.nansum(log_NO, axis=1), np.nan)


AnyAnswers = Answers | SetAnswers


def answers_of(predictions: Sequence[Prediction]) -> AnyAnswers:
    """Return the labelled ones of predictions of one kind as arrays; see `Answers.of`."""
    several = any(KINDS[prediction.kind].several for prediction in predictions)
    return (SetAnswers if several else Answers).of(predictions)


def by_kind(predictions: Iterable[Prediction]) -> dict[str, list[Prediction]]:
    """Return the predictions of each kind that occurs, in the order of `KINDS`."""
    groups: dict[str, list[Prediction]] = {name: [] for name in KINDS}
    for prediction in predictions:
        groups[prediction.kind].append(prediction)
    return {kind: own for kind, own in groups.items() if own}


def are_plain(kinds: Iterable[str]) -> bool:
    """Return whether there are no kinds but the plain choice, which need no heading of their own.

    Files and pages about these have looked alike since before there were other kinds.
    """
    return set(kinds) <= {Prediction.kind}


def joint_codes(a: AnyAnswers, b: AnyAnswers) -> tuple[np.ndarray, np.ndarray]:
    """Return two runs' choices as numbers, equal where the choices are: -1 for what was not read.

    Sets that only one of the runs ever chooses share a number, one for each run.
    """
    if isinstance(a, Answers):
        return a.choices, b.choices
    of_a, of_b = ([run.choice_of(place) for place in range(len(run))] for run in (a, b))
    number = {chosen: place for place, chosen in enumerate(sorted(set(of_a) & set(of_b) - {None}))}
    number[None] = -1
    return tuple(
        np.array([number.get(chosen, other) for chosen in run])
        for run, other in ((of_a, -2), (of_b, -3))
    )


def softplus(value: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(value)), NaN where that is; minus it is the logarithm of a sigmoid."""
    return np.maximum(value, 0) + np.log1p(np.exp(-np.abs(value)))


def per_option(value_NO: np.ndarray) -> np.ndarray:
    """Return (N,) the mean over each question's options, NaN where none is known."""
    return divide(np.nansum(value_NO, axis=1), (~np.isnan(value_NO)).sum(1).astype(float))


def _mask(rows: Sequence[tuple[int, ...]], width: int) -> np.ndarray:
    mask_NO = np.zeros((len(rows), width), dtype=bool)
    for place, row in enumerate(rows):
        mask_NO[place, list(row)] = True
    return mask_NO


def _sets(mask_NO: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(np.flatnonzero(mask_O).tolist()) for mask_O in mask_NO]


def _log_sum(log_a: np.ndarray, log_b: np.ndarray) -> np.ndarray:
    return np.maximum(log_a, log_b) + np.log1p(np.exp(-np.abs(log_a - log_b)))
