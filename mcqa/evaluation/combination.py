"""Two runs together: do they know different things?

The ceiling is how many questions at least one of them gets right (`a.correct | b.correct`); the
average and the stacked combination say how much of it can be had without knowing the answer.

The trap: the weights of a stacked combination are fitted on validation questions, never on those
it is reported for.
"""

import numpy as np
from scipy.optimize import minimize

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers, log_softmax
from mcqa.evaluation.pairing import check_aligned

LARGEST_WEIGHT = 100.0


def average(a: Answers, b: Answers) -> Answers:
    """Return the answers of the two runs' mean probabilities.

    Raises:
        ComparisonError: the runs are not aligned.
        ConfigError: an answer has no scores, or not the other run's number of options.
    """
    _check(a, b)
    with np.errstate(invalid="ignore"):  # NaN where there is no option
        mean_NO = np.logaddexp(a.log_probabilities, b.log_probabilities) - np.log(2)
    return Answers.from_scores(a.ids, a.labels, mean_NO)


def fit_stack(a: Answers, b: Answers) -> dict:
    """Return the weights of the two runs' log-probabilities that make validation answers likeliest.

    A conditional logit with two weights: an option's score is the weighted sum of its two
    log-probabilities. Its negative log-likelihood is convex.

    Args:
        a: the first run's answers to validation questions.
        b: the second run's.

    Returns:
        `weight_a`, `weight_b` (each from -100 to 100) and `n`, the questions they rest on.

    Raises:
        ComparisonError: the runs are not aligned.
        ConfigError: an answer has no scores, or not the other run's number of options.

    Source:
        McFadden (1974), Conditional logit analysis of qualitative choice behavior.
    """
    _check(a, b)
    feature_NO2 = np.stack([a.log_probabilities, b.log_probabilities], axis=2)
    gold_N2 = feature_NO2[np.arange(len(a)), a.labels]
    filled_NO2 = np.nan_to_num(feature_NO2)

    def loss(weight_2: np.ndarray) -> tuple[float, np.ndarray]:
        log_probability_NO = log_softmax(feature_NO2 @ weight_2)
        gold_log_probability_N = log_probability_NO[np.arange(len(a)), a.labels]
        probability_NO1 = np.nan_to_num(np.exp(log_probability_NO))[:, :, None]
        slope_N2 = (probability_NO1 * filled_NO2).sum(1) - gold_N2
        return -gold_log_probability_N.mean(), slope_N2.mean(0)

    bounds = [(-LARGEST_WEIGHT, LARGEST_WEIGHT)] * 2
    weights = minimize(loss, (0.5, 0.5), jac=True, method="L-BFGS-B", bounds=bounds).x
    return {"weight_a": float(weights[0]), "weight_b": float(weights[1]), "n": len(a)}


def stack(a: Answers, b: Answers, *, weight_a: float, weight_b: float) -> Answers:
    """Return the answers of the two runs' weighted log-probabilities.

    Args:
        a: the first run's answers.
        b: the second run's.
        weight_a, weight_b: see `fit_stack`.

    Raises:
        ComparisonError: the runs are not aligned.
        ConfigError: an answer has no scores, or not the other run's number of options.
    """
    _check(a, b)
    weighted_NO = weight_a * a.log_probabilities + weight_b * b.log_probabilities
    return Answers.from_scores(a.ids, a.labels, weighted_NO)


def _check(a: Answers, b: Answers) -> None:
    check_aligned(a, b)
    for name, run in (("first", a), ("second", b)):
        if not run.scored.all():
            id = run.ids[int(np.argmin(run.scored))]
            raise ConfigError(
                f"question {id!r} has no scores in the {name} run, and only scored runs can be "
                "combined. Use a scorer that gives scores: any but `generate`."
            )
    counts = [(~np.isnan(run.log_probabilities)).sum(1) for run in (a, b)]
    differs_N = counts[0] != counts[1]
    if differs_N.any():
        place = int(np.argmax(differs_N))
        raise ConfigError(
            f"question {a.ids[place]!r} has {counts[0][place]} options in the first run and "
            f"{counts[1][place]} in the second. Score both on the same file."
        )
