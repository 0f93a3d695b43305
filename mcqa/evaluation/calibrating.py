"""What is fitted on the validation answers to questions of one kind: a temperature, a threshold.

Where any number of options may be right each option is an answer of its own, right or not, whose
score stands against one of 0.
"""

from collections.abc import Sequence

import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers, pad
from mcqa.evaluation.fitting import fit_temperature
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction

MARGIN = 0.5
SUREST = 27.0  # log-odds of a threshold; its probability is then 2e-12 away from 0 or 1


def calibrate(predictions: Sequence[Prediction]) -> dict:
    """Return what `fit_temperature` does and, where its kind has one, the best `threshold`.

    Args:
        predictions: answers to questions of one kind.

    Raises:
        ConfigError: none of them has both label and scores.
    """
    kind = KINDS[predictions[0].kind]
    known = [p for p in predictions if p.label is not None and p.scores]
    if kind.several and not known:
        raise ConfigError("no answer has a label and scores, and a temperature is fitted on them.")
    if not kind.several:
        fitted = fit_temperature(Answers.of(predictions))
        log_odds_NO = np.array([[p.scores[0] - p.scores[1]] for p in known if kind.threshold])
        right_NO = np.array([[p.label == 0] for p in known if kind.threshold])
    else:
        log_odds_NO = pad([p.scores for p in known])
        chosen = [[index in p.label for index in range(len(p.scores))] for p in known]
        right_NO = pad(chosen) == 1
        fitted = fit_temperature(_options(log_odds_NO, right_NO)) | {"n": len(known)}
    return fitted | ({"threshold": fit_threshold(log_odds_NO, right_NO)} if kind.threshold else {})


def _options(log_odds_NO: np.ndarray, right_NO: np.ndarray) -> Answers:
    """Return each option as an answer to whether it is right."""
    exists_NO = ~np.isnan(log_odds_NO)
    score_M = log_odds_NO[exists_NO]
    wrong_M = (~right_NO[exists_NO]).astype(int)
    names = [str(number) for number in range(len(score_M))]
    return Answers.from_scores(names, wrong_M, np.stack((score_M, 0 * score_M), axis=1))


def fit_threshold(log_odds_NO: np.ndarray, right_NO: np.ndarray) -> float:
    """Return the probability from which on to choose options, to be wholly right most often.

    Args:
        log_odds_NO: (N, O) of each option, NaN where there is none.
        right_NO: (N, O) which are right.

    Returns:
        Of equally good thresholds that nearest to 0.5, but for a margin: to the probability of an
        option it keeps half of the way to the next one, or half a nat.

    >>> fit_threshold(np.array([[2.0, -1.0]]), np.array([[True, False]]))
    0.5
    """
    # A question is wholly right from its best wrong option on, up to its worst right one.
    above_N = np.fmax.reduce(np.where(right_NO, -np.inf, log_odds_NO), axis=1)
    up_to_N = np.fmin.reduce(np.where(right_NO, log_odds_NO, np.inf), axis=1)
    possible_N = above_N < up_to_N
    above_N, up_to_N = above_N[possible_N].clip(-SUREST), up_to_N[possible_N].clip(max=SUREST)
    end_E = np.unique(np.concatenate((above_N, up_to_N, [-SUREST, SUREST])).clip(-SUREST, SUREST))
    low_E, high_E = end_E[:-1], end_E[1:]
    right_E = np.searchsorted(np.sort(above_N), low_E, side="right")
    right_E = right_E - np.searchsorted(np.sort(up_to_N), low_E, side="right")
    margin_E = np.minimum((high_E - low_E) / 2, MARGIN)
    at_E = np.where(high_E < 0, high_E - margin_E, np.where(low_E < 0, 0, low_E + margin_E))
    best_B = at_E[right_E == right_E.max()]
    log_odds = best_B[np.argmin(np.abs(best_B))]
    return float(1 / (1 + np.exp(-log_odds)))
