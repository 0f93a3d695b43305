"""Two runs together: do they know different things?

The ceiling is how many questions at least one of them gets right (`a.correct | b.correct`). Each
function raises a ComparisonError where the runs are not aligned, and a ConfigError where an answer
has no scores or a question not the same number of options in both.
The trap: weights are fitted on validation questions, never on those they are reported for.
"""

import numpy as np
from scipy.optimize import minimize

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers, log_softmax
from mcqa.evaluation.pairing import check_aligned

LARGEST_WEIGHT = 100.0


def average(a: Answers, b: Answers) -> Answers:
    """Return the answers of the two runs' mean probabilities."""
    _check(a, b)
    with np.errstate(invalid="ignore"):  # NaN where there is no option
        mean_NO = np.logaddexp(a.log_probabilities, b.log_probabilities) - np.log(2)
    return Answers.from_scores(a.ids, a.labels, mean_NO)


def fit_stack(a: Answers, b: Answers) -> dict:
    """Return the weights of the two runs' log-probabilities that make validation answers likeliest.

    A conditional logit with two weights: an option's score is the weighted sum of its two
    log-probabilities. Its negative log-likelihood is convex.

    Each is from -100 to 100; `n` are the questions they rest on.

    Source:
        McFadden (1974), Conditional logit analysis of qualitative choice behavior.
    """
    _check(a, b)
    gold = np.arange(len(a)), a.labels
    feature_NO2 = np.stack([a.log_probabilities, b.log_probabilities], axis=2)
    gold_N2, filled_NO2 = feature_NO2[gold], np.nan_to_num(feature_NO2)

    def loss(weight_2: np.ndarray) -> tuple[float, np.ndarray]:
        log_probability_NO = log_softmax(feature_NO2 @ weight_2)
        probability_NO1 = np.nan_to_num(np.exp(log_probability_NO))[:, :, None]
        slope_N2 = (probability_NO1 * filled_NO2).sum(1) - gold_N2
        return -log_probability_NO[gold].mean(), slope_N2.mean(0)

    bounds = [(-LARGEST_WEIGHT, LARGEST_WEIGHT)] * 2
    weights = minimize(loss, (0.5, 0.5), jac=True, method="L-BFGS-B", bounds=bounds).x
    return {"weight_a": float(weights[0]), "weight_b": float(weights[1]), "n": len(a)}


def stack(a: Answers, b: Answers, *, weight_a: float, weight_b: float) -> Answers:
    """Return the answers of the two runs' weighted log-probabilities; see `fit_stack`."""
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
    of_a_N, of_b_N = ((~np.isnan(run.log_probabilities)).sum(1) for run in (a, b))
    if len(differing := np.flatnonzero(of_a_N != of_b_N)):
        at = differing[0]
        raise ConfigError(
            f"question {a.ids[at]!r} has {of_a_N[at]} options in the first run and "
            f"{of_b_N[at]} in the second. Score both on the same file."
        )
