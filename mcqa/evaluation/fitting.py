"""What is fitted on validation questions, never on those it is reported for.

Combinations of two runs raise a ComparisonError where they are not aligned, and a ConfigError where
an answer has no scores or a question not the same number of options in both.
The trap: summed log-likelihoods differ by tens of nats; a temperature of 10 or more is no error.
"""

import numpy as np
from scipy.optimize import brentq, minimize

from mcqa.errors import ConfigError
from mcqa.evaluation.measures import describe_run
from mcqa.evaluation.pairing import check_aligned
from mcqa.evaluation.sets import AnyAnswers

LOWEST, HIGHEST = 0.01, 1000.0
AFFECTED = ("nll", "brier", "ece", "ece_equal_mass")
LARGEST_WEIGHT = 100.0


def fit_temperature(answers: AnyAnswers) -> dict:
    """Return the temperature that makes validation answers (those with scores) likeliest.

    The negative log-likelihood is convex in the inverse temperature, so its one minimum is where
    its slope, the mean of the expected score minus the right option's score, crosses zero; of
    questions with several right answers the same of each option's score, added up.

    `at_bound`: whether the best one lies beyond the lower bound (all right answers are likeliest)
    or the upper (scores worse than none). `n` are the answers that it rests on.

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
    scores_NO = known.scores
    gold_N = np.nansum(known.truth * scores_NO, axis=1)

    def slope(log_inverse: float) -> float:
        probability_NO = known.rescored(scores_NO * np.exp(log_inverse)).probabilities
        return float((np.nansum(probability_NO * scores_NO, axis=1) - gold_N).mean())

    low, high = -np.log(HIGHEST), -np.log(LOWEST)
    if slope(low) >= 0:
        temperature, at_bound = HIGHEST, True
    elif slope(high) <= 0:
        temperature, at_bound = LOWEST, True
    else:
        temperature, at_bound = float(np.exp(-brentq(slope, low, high))), False
    return {"temperature": temperature, "n": len(known), "at_bound": at_bound}


def apply_temperature(answers: AnyAnswers, temperature: float) -> AnyAnswers:
    """Return the same answers with the probabilities of scores divided by a temperature.

    Raises:
        ConfigError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature is {temperature}; it must be above 0.")
    # the softmax of log-probabilities over T is that of the scores over T
    return answers.rescored(answers.scores / temperature)


def describe_calibration(answers: AnyAnswers, temperature: float, *, resamples: int = 1000) -> dict:
    """Return a temperature and the scored answers' metrics and bins `before` and `after` it."""
    result = {"temperature": temperature, "n": int(answers.scored.sum())}
    for name, run in (("before", answers), ("after", apply_temperature(answers, temperature))):
        described = describe_run(run, resamples=resamples)
        metrics = {metric: described["metrics"][metric] for metric in AFFECTED}
        result[name] = {**metrics, "reliability": described["reliability"]}
    return result


def average(a: AnyAnswers, b: AnyAnswers) -> AnyAnswers:
    """Return the answers of the two runs' mean probabilities."""
    _check(a, b)
    return a.rechosen(a.mean_scores(b))


def fit_stack(a: AnyAnswers, b: AnyAnswers) -> dict:
    """Return the weights of the two runs' log-probabilities that make validation answers likeliest.

    A conditional logit, whose negative log-likelihood is convex: an option's score is the weighted
    sum of its two log-probabilities; of questions with several right answers a logistic regression,
    and of its two log-odds. `n` are the questions that the weights rest on.

    Source:
        McFadden (1974), Conditional logit analysis of qualitative choice behavior.
    """
    _check(a, b)
    feature_NO2 = np.stack([a.scores, b.scores], axis=2)
    filled_NO2 = np.nan_to_num(feature_NO2)
    gold_N2 = (a.truth[:, :, None] * filled_NO2).sum(1)

    def loss(weight_2: np.ndarray) -> tuple[float, np.ndarray]:
        weighted = a.rescored(feature_NO2 @ weight_2)
        probability_NO1 = np.nan_to_num(weighted.probabilities)[:, :, None]
        slope_N2 = (probability_NO1 * filled_NO2).sum(1) - gold_N2
        return -weighted.log_likelihood.mean(), slope_N2.mean(0)

    bounds = [(-LARGEST_WEIGHT, LARGEST_WEIGHT)] * 2
    weights = minimize(loss, (0.5, 0.5), jac=True, method="L-BFGS-B", bounds=bounds).x
    return {"weight_a": float(weights[0]), "weight_b": float(weights[1]), "n": len(a)}


def stack(a: AnyAnswers, b: AnyAnswers, *, weight_a: float, weight_b: float) -> AnyAnswers:
    """Return the answers of the two runs' weighted log-probabilities; see `fit_stack`."""
    _check(a, b)
    return a.rechosen(weight_a * a.scores + weight_b * b.scores)


def _check(a: AnyAnswers, b: AnyAnswers) -> None:
    check_aligned(a, b)
    for name, run in (("first", a), ("second", b)):
        if not run.scored.all():
            id = run.ids[int(np.argmin(run.scored))]
            raise ConfigError(
                f"question {id!r} has no scores in the {name} run, and only scored runs can be "
                "combined. Use a scorer that gives scores: any but `generate`."
            )
    of_a_N, of_b_N = ((~np.isnan(run.scores)).sum(1) for run in (a, b))
    if len(differing := np.flatnonzero(of_a_N != of_b_N)):
        at = differing[0]
        raise ConfigError(
            f"question {a.ids[at]!r} has {of_a_N[at]} options in the first run and "
            f"{of_b_N[at]} in the second. Score both on the same file."
        )
