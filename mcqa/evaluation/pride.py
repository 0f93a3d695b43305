"""PriDe: take a model's prior for the letters out of its answers, at little cost.

Where letters are scored, what the model thinks of "A" as such multiplies what it thinks of the
option that A stands for. On a few questions, asked in every rotation, each option meets each
letter, so that the mean over rotations leaves the letters alone: the prior. From all other
questions, asked once, it is divided out.

The trap: "A" among four letters is not "A" among five. The prior is kept per number of options.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import first_best, log_softmax, pad
from mcqa.evaluation.comparison import compare
from mcqa.evaluation.metrics import share
from mcqa.evaluation.orders import Order, average, restore

SHARE = 0.05


def estimation_sample(option_counts: Sequence[int], *, seed: int = 0) -> list[int]:
    """Return the places of the questions to estimate the prior on, in ascending order.

    Args:
        option_counts: how many options each question has; of each number of options `SHARE` of
            the questions are taken, rounded up.
        seed: seed of the draw.
    """
    rng = np.random.default_rng(seed)
    count_N = np.asarray(option_counts)
    drawn = []
    for count in np.unique(count_N):
        places = np.flatnonzero(count_N == count)
        # off by rounding: 0.05 * 140 is a little more than 7
        size = int(np.ceil(SHARE * len(places) - 1e-9))
        drawn += rng.choice(places, size=size, replace=False).tolist()
    return sorted(drawn)


def position_prior(shown_scores_PO: np.ndarray) -> np.ndarray:
    """Return what one question says about the letters.

    Args:
        shown_scores_PO: scores by order and place shown. In the orders each option stands equally
            often at each place: all rotations, or all orders.

    Returns:
        (O,) a probability for each place.

    Source:
        Zheng et al. (2024), arXiv 2309.03882: the softmax of the mean log-probability of each
        letter over the orders.
    """
    mean_O = log_softmax(np.asarray(shown_scores_PO, dtype=float)).mean(0)
    return np.exp(log_softmax(mean_O[None, :])[0])


def mean_priors(shown_scores: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    """Return the prior for each number of options, the mean over the questions that have it.

    Args:
        shown_scores: for each question of the sample what `position_prior` takes.
    """
    by_count: dict[int, list[np.ndarray]] = {}
    for scores_PO in shown_scores:
        prior_O = position_prior(scores_PO)
        by_count.setdefault(len(prior_O), []).append(prior_O)
    return {count: np.mean(priors, axis=0) for count, priors in sorted(by_count.items())}


def divide_out(scores_NO: np.ndarray, priors: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return log-probabilities without the letters' prior.

    Args:
        scores_NO: (N, O) scores in the order shown, NaN where an option does not exist.
        priors: what `mean_priors` returns.

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


def pride(
    scores_NO: np.ndarray,
    sample: Mapping[int, tuple[Sequence[Order], Sequence[Sequence[float]]]],
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Return the debiased log-probabilities of a run, and the priors.

    Args:
        scores_NO: (N, O) the scores in the original order, NaN where an option does not exist.
        sample: for the places of the questions in the estimation sample, the rotations and the
            scores as shown in each. These questions take the probabilities averaged over their
            rotations, which are free of the prior already.

    Returns:
        (N, O) log-probabilities in the original order, for `Answers.from_scores`; and the prior
        for each number of options.

    Raises:
        ConfigError: there is no prior for a question's number of options.
    """
    priors = mean_priors([np.array(shown) for _, shown in sample.values()])
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
    resamples: int = 10_000,
) -> dict:
    """Return what dividing the letters' prior out does to a run's accuracy.

    Args:
        label_N: 0-based index of the right option, in the original order.
        orders: for each question all rotations or all orders, the original order first.
        shown_scores: for each question and order the options' scores as shown.
        seed, resamples: of the bootstrap; the seed also of the sample.

    Returns:
        `sample` (`n`, `share`, `seed`); `priors`, a probability for each place by the number of
        options; the accuracy over all questions, with `value`, `n`, `ci95`, of the scores as they
        are (`raw`), without the prior (`debiased`; see `pride` for the questions of the sample)
        and of every question's average over its orders (`averaged`); and `difference`, debiased
        minus raw, with `value`, `n`, its paired bootstrap interval `ci95`, how many questions
        only one of them gets right (`raw_only`, `debiased_only`), McNemar's exact `p_value`.
    """
    label_N, n = np.asarray(label_N), len(label_N)
    raw_NO = pad([scores_PO[0] for scores_PO in shown_scores])
    places = estimation_sample([len(scores_PO[0]) for scores_PO in shown_scores], seed=seed)
    sample = {place: (orders[place], shown_scores[place]) for place in places}
    debiased_NO, priors = pride(raw_NO, sample)
    averaged_NO = _averaged(zip(orders, shown_scores, strict=True))
    runs = {"raw": raw_NO, "debiased": debiased_NO, "averaged": averaged_NO}
    right = {name: first_best(scores_NO) == label_N for name, scores_NO in runs.items()}
    names = "raw", "debiased"
    compared = compare(*(right[name] for name in names), names, seed=seed, resamples=resamples)
    test = compared["mcnemar"]
    return {
        "sample": {"n": len(places), "share": SHARE, "seed": seed},
        "priors": {str(count): prior_O.tolist() for count, prior_O in priors.items()},
        **{name: share(int(right_N.sum()), n) for name, right_N in right.items()},
        "difference": {
            "value": compared["difference"],
            "n": n,
            "ci95": compared["difference_ci95"],
            "raw_only": test["a_only"],
            "debiased_only": test["b_only"],
            "p_value": test["p_value"],
        },
    }


def _averaged(asked: Iterable[tuple[Sequence[Order], Sequence[Sequence[float]]]]) -> np.ndarray:
    """Return the averaged log-probabilities of questions with their orders and shown scores."""
    return average([list(map(restore, scores, orders)) for orders, scores in asked])
