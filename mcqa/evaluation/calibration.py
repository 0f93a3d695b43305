"""Temperature scaling: make probabilities as sure as they are right, on held-out questions.

Scores divided by one temperature keep their order, and accuracy. The temperature is fitted on
validation questions, never on those it is reported for. The trap: log-likelihoods summed over
tokens differ by tens of nats between options, so that a temperature of 10 or more is no error.
"""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers, log_softmax
from mcqa.evaluation.measures import describe_run

LOWEST, HIGHEST = 0.01, 1000.0
AFFECTED = ("nll", "brier", "ece", "ece_equal_mass")


def fit_temperature(answers: Answers) -> dict:
    """Return the temperature that makes validation answers (those with scores) likeliest.

    The negative log-likelihood is convex in the inverse temperature, so its one minimum is where
    its slope, the mean of the expected score minus the right option's score, crosses zero.

    Returns:
        `temperature`; `n`, the answers it rests on; `at_bound`, whether the best one would lie
        beyond the lower bound (all right answers are the likeliest option) or the upper (scores
        worse than none).

    Raises:
        ConfigError: no answer has scores.

    Source:
        Guo et al. (2017), On calibration of modern neural networks, arXiv 1706.04599.
    """
    known = answers.take(answers.scored)
    if not len(known):
        raise ConfigError(
            "no answer has scores, and a temperature is fitted on scores. "
            "Use a scorer that gives them: any but `generate`."
        )
    scores_NO = known.log_probabilities
    gold_N = scores_NO[np.arange(len(known)), known.labels]

    def slope(log_inverse: float) -> float:
        probability_NO = np.exp(log_softmax(scores_NO * np.exp(log_inverse)))
        return float((np.nansum(probability_NO * scores_NO, axis=1) - gold_N).mean())

    low, high = -np.log(HIGHEST), -np.log(LOWEST)
    if slope(low) >= 0:
        temperature, at_bound = HIGHEST, True
    elif slope(high) <= 0:
        temperature, at_bound = LOWEST, True
    else:
        temperature, at_bound = float(np.exp(-brentq(slope, low, high))), False
    return {"temperature": temperature, "n": len(known), "at_bound": at_bound}


def apply_temperature(answers: Answers, temperature: float) -> Answers:
    """Return the same answers with the probabilities of scores divided by a temperature.

    Raises:
        ConfigError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature is {temperature}; it must be above 0.")
    # the softmax of log-probabilities over T is that of the scores over T
    return replace(answers, log_probabilities=log_softmax(answers.log_probabilities / temperature))


def describe_calibration(answers: Answers, temperature: float, *, resamples: int = 1000) -> dict:
    """Return `temperature`, `n` scored answers, their metrics and bins `before` and `after` it.

    The answers must be to other questions than those the temperature was fitted on.
    """
    result = {"temperature": temperature, "n": int(answers.scored.sum())}
    for name, run in (("before", answers), ("after", apply_temperature(answers, temperature))):
        described = describe_run(run, resamples=resamples)
        metrics = {metric: described["metrics"][metric] for metric in AFFECTED}
        result[name] = {**metrics, "reliability": described["reliability"]}
    return result
