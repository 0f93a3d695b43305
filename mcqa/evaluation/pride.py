"""PriDe: take a model's prior for the letters out of its answers, at little cost.

The prior is the mean over rotations of a few questions, for then each option meets each letter. It
is divided out of all others, asked once. The trap: "A" among four letters is not "A" among five;
there is a prior per number of options.
Source: Zheng et al. (2024), LLMs are not robust multiple choice selectors, arXiv 2309.03882.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import first_best, log_softmax, pad
from mcqa.evaluation.clustered import share_of
from mcqa.evaluation.comparison import compare, deciding_p_value
from mcqa.evaluation.orders import Order, average, restore

SHARE = 0.05

Asked = tuple[Sequence[Order], Sequence[Sequence[float]]]  # orders, and scores as shown in each


def estimation_sample(option_counts: Sequence[int], *, seed: int = 0) -> list[int]:
    """Return the places, ascending, of `SHARE` of the questions of each number of options."""
    rng = np.random.default_rng(seed)
    count_N = np.asarray(option_counts)
    drawn = []
    for count in np.unique(count_N):
        places = np.flatnonzero(count_N == count)
        # off by rounding: 0.05 * 140 is a little more than 7
        size = int(np.ceil(SHARE * len(places) - 1e-9))
        drawn += rng.choice(places, size=size, replace=False).tolist()
    return sorted(drawn)


def mean_priors(shown_scores: Iterable[Sequence[Sequence[float]]]) -> dict[int, np.ndarray]:
    """Return for each number of options the prior, a probability for each place.

    It is the mean over questions of the softmax of each letter's mean log-probability over orders.
    Scores (P, O) are by order, all rotations or all orders, and place shown.
    """
    by_count: dict[int, list[np.ndarray]] = {}
    for scores_PO in shown_scores:
        mean_1O = log_softmax(np.asarray(scores_PO, dtype=float)).mean(0)[None, :]
        by_count.setdefault(mean_1O.size, []).append(np.exp(log_softmax(mean_1O)[0]))
    return {count: np.mean(priors, axis=0) for count, priors in sorted(by_count.items())}


def divide_out(scores_NO: np.ndarray, priors: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return log-probabilities (N, O) without the letters' prior, which `mean_priors` returns.

    The scores are in the order shown, NaN where an option does not exist.

    Raises:
        ConfigError: there is no prior for a question's number of options.
    """
    count_N = (~np.isnan(scores_NO)).sum(1)
    counts = set(count_N.tolist()) - {0}
    if missing := counts - set(priors):
        raise ConfigError(
            f"no prior for questions of {min(missing)} options, only of "
            f"{', '.join(map(str, priors)) or 'none'}. Estimate it on a sample with each number of "
            "options: see mcqa.evaluation.pride.estimation_sample."
        )
    prior_NO = np.full(scores_NO.shape, np.nan)
    for count in counts:
        prior_NO[count_N == count, :count] = priors[count]
    return log_softmax(log_softmax(scores_NO) - np.log(prior_NO))


def pride(scores_NO: np.ndarray, sample: Mapping[int, Asked]) -> tuple[np.ndarray, dict]:
    """Return the debiased log-probabilities (N, O) of a run, and the priors.

    The scores are in the original order. The questions of the sample (by their places) take the
    probabilities averaged over their rotations, which are free of the prior already.
    """
    priors = mean_priors(shown for _, shown in sample.values())
    debiased_NO = divide_out(scores_NO, priors)
    averaged_NO = _averaged(sample.values())
    debiased_NO[list(sample), : averaged_NO.shape[1]] = averaged_NO
    return debiased_NO, priors


def describe_pride(
    label_N: Sequence[int],
    orders: Sequence[Sequence[Order]],
    shown_scores: Sequence[Sequence[Sequence[float]]],
    *,
    seed: int = 0,
    cluster_N: np.ndarray | None = None,
) -> dict:
    """Return the `pride` of docs/evaluation.md: what dividing the letters' prior out changes.

    Args:
        orders: for each question all rotations or all orders, the original order first.
        shown_scores: for each question and order the options' scores as shown.
        cluster_N: the group of each question, numbered from 0, to count groups as evidence.
    """
    label_N, n = np.asarray(label_N), len(label_N)
    asked = list(zip(orders, shown_scores, strict=True))
    raw_NO = pad([scores_PO[0] for scores_PO in shown_scores])
    places = estimation_sample([len(scores_PO[0]) for scores_PO in shown_scores], seed=seed)
    debiased_NO, priors = pride(raw_NO, {place: asked[place] for place in places})
    runs = {"raw": raw_NO, "debiased": debiased_NO, "averaged": _averaged(asked)}
    right = {name: first_best(scores_NO) == label_N for name, scores_NO in runs.items()}
    how = {"seed": seed, "cluster_N": cluster_N}
    compared = compare(right["raw"], right["debiased"], ("raw", "debiased"), **how)
    test = compared["mcnemar"]
    return {
        "sample": {"n": len(places), "share": SHARE, "seed": seed},
        "priors": {str(count): prior_O.tolist() for count, prior_O in priors.items()},
        **{name: share_of(right_N, cluster_N) for name, right_N in right.items()},
        "difference": {
            "value": compared["difference"],
            "n": n,
            "ci95": compared["difference_ci95"],
            "raw_only": test["a_only"],
            "debiased_only": test["b_only"],
            "p_value": deciding_p_value(compared),
        },
    }


def _averaged(asked: Iterable[Asked]) -> np.ndarray:
    return average([list(map(restore, scores, orders)) for orders, scores in asked])
