"""Every metric of two runs over the same questions, side by side.

    a, b = align_answers(predictions_a, predictions_b, "generative", "head")
    describe_pair(a, b)["metrics"]["nll"]["difference"]

Metrics that need probabilities are compared over the questions for which both runs have them.
Those that are means over questions cost a matrix product per resample; the others must sort and
count, and get fewer resamples.
"""

from collections.abc import Hashable, Mapping
from dataclasses import replace

import numpy as np

from mcqa.evaluation.answers import Answers
from mcqa.evaluation.groups import cluster_numbers
from mcqa.evaluation.measures import (
    FROM_CHOICES,
    METRICS,
    defined_values,
    metric_interval,
    other_statistic,
    run_statistic,
)
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.pairing import check_aligned
from mcqa.evaluation.resampling import (
    Statistic,
    bootstrap,
    difference,
    divide,
    interval,
    means,
    observed,
)
from mcqa.evaluation.significance import mcnemar, minimum_detectable_difference, sign_flip_test


def describe_pair(
    a: Answers,
    b: Answers,
    *,
    seed: int = 0,
    resamples: int = 10_000,
    other_resamples: int = 1000,
    permutations: int = 10_000,
    clusters: Mapping[str, Hashable] | None = None,
) -> dict:
    """Return all that two runs over the same questions have in common and apart.

    Args:
        a: the first run's answers.
        b: the second run's, to the same questions in the same order.
        seed: seed of the bootstrap and of the permutations.
        resamples: how many bootstrap resamples to draw for metrics that are means over questions.
        other_resamples: how many to draw for the others and for kappa.
        permutations: how many permutations to draw.
        clusters: the group of each question id, to draw and to permute whole groups; a question
            whose group is None stands alone.

    Returns:
        `n`; `table`, how many questions `both`, `a_only`, `b_only` and `neither` get right;
        `mcnemar`, the exact p-value;
        `metrics`, by name (see `measures.METRICS`) the value of `a` and of `b`, their
        `difference` (b minus a) with its bootstrap interval `ci95`, the `n` it rests on, and the
        `p_value` of a paired permutation test where the metric is a mean over questions;
        `minimum_detectable_difference` of the accuracy at this n (power 0.8, level 0.05);
        `agreement` of the choices: `share`, Cohen's `kappa`, their intervals;
        `clusters`, how many groups there are or None; `seed`, `resamples`, `other_resamples`,
        `permutations`.

    Raises:
        ComparisonError: the runs are not aligned.
        ConfigError: a number of draws is less than 1, or a question has no entry in `clusters`.
    """
    check_aligned(a, b)
    n = len(a)
    cluster_N = cluster_numbers(a.ids, clusters)
    right_a_N, right_b_N = a.correct, b.correct
    a_only, b_only = int((right_a_N & ~right_b_N).sum()), int((right_b_N & ~right_a_N).sum())
    draws = bootstrap_differences(
        a, b, seed=seed, resamples=resamples, other_resamples=other_resamples, cluster_N=cluster_N
    )
    gains = mean_differences(a, b)
    p_value_K = sign_flip_test(
        np.column_stack(list(gains.values())),
        seed=seed,
        permutations=permutations,
        cluster_N=cluster_N,
    )
    p_values = dict(zip(gains, p_value_K.tolist(), strict=True))
    return {
        "n": n,
        "table": {
            "both": int((right_a_N & right_b_N).sum()),
            "a_only": a_only,
            "b_only": b_only,
            "neither": int((~right_a_N & ~right_b_N).sum()),
        },
        "mcnemar": mcnemar(a_only, b_only),
        "metrics": _metrics(a, b, draws, p_values),
        "minimum_detectable_difference": minimum_detectable_difference(a_only + b_only, n),
        "agreement": agreement(
            a.choices, b.choices, seed=seed, resamples=other_resamples, cluster_N=cluster_N
        ),
        "clusters": None if cluster_N is None else int(cluster_N.max()) + 1,
        "seed": seed,
        "resamples": resamples,
        "other_resamples": other_resamples,
        "permutations": permutations,
    }


def mean_differences(a: Answers, b: Answers) -> dict[str, np.ndarray]:
    """Return b minus a question by question, for every metric that is a mean over questions.

    NaN where one of the runs has no value; a metric without any value is left out.
    """
    a, b = _with_common_scores(a, b)
    of_a, of_b = defined_values(a), defined_values(b)
    return {name: of_b[name] - of_a[name] for name in of_a}


def bootstrap_differences(
    a: Answers,
    b: Answers,
    *,
    seed: int = 0,
    resamples: int = 10_000,
    other_resamples: int = 1000,
    cluster_N: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return bootstrap draws of b minus a for every metric that is defined for both.

    Args:
        a: the first run's answers.
        b: the second run's, to the same questions in the same order.
        seed, resamples, other_resamples: as in `describe_pair`.
        cluster_N: the group of each question, numbered from 0.
    """
    n = len(a)
    a, b = _with_common_scores(a, b)
    of_means = means(mean_differences(a, b))
    of_others = difference(other_statistic(a), other_statistic(b))
    settings = {"seed": seed, "cluster_N": cluster_N}
    return {
        **bootstrap(of_means, n, resamples=resamples, **settings),
        **bootstrap(of_others, n, resamples=other_resamples, **settings),
    }


def agreement(
    choice_a_N: np.ndarray,
    choice_b_N: np.ndarray,
    *,
    seed: int = 0,
    resamples: int = 1000,
    cluster_N: np.ndarray | None = None,
) -> dict:
    """Return how often two runs choose the same option, and Cohen's kappa.

    Kappa takes off what two runs with these habits would agree on by chance: 1 is agreement
    throughout, 0 none beyond chance. Not parsed (-1) counts as a choice of its own.

    Args:
        choice_a_N: the first run's choices.
        choice_b_N: the second run's choices.
        seed, resamples, cluster_N: as in `mcqa.evaluation.resampling.bootstrap`.

    Returns:
        `n`; `share`, and its interval `share_ci95` (Wilson's, with clusters the bootstrap's);
        `kappa` (None where both always make one and the same choice), and `kappa_ci95`.

    Source:
        Cohen (1960), A coefficient of agreement for nominal scales.
    """
    n, same = len(choice_a_N), int((choice_a_N == choice_b_N).sum())
    statistic = _agreement_statistic(choice_a_N, choice_b_N)
    kappa = observed(statistic, n)["kappa"]
    draws = bootstrap(statistic, n, seed=seed, resamples=resamples, cluster_N=cluster_N)
    plain = list(wilson_interval(same, n))
    return {
        "n": n,
        "share": same / n,
        "share_ci95": plain if cluster_N is None else interval(draws["share"]),
        "kappa": None if np.isnan(kappa) else kappa,
        "kappa_ci95": None if np.isnan(kappa) else interval(draws["kappa"]),
    }


def _agreement_statistic(choice_a_N: np.ndarray, choice_b_N: np.ndarray) -> Statistic:
    choice_P = np.union1d(choice_a_N, choice_b_N)
    same_N1 = (choice_a_N == choice_b_N)[:, None]
    of_a_NP, of_b_NP = choice_a_N[:, None] == choice_P, choice_b_N[:, None] == choice_P
    column_NK = np.hstack([same_N1, of_a_NP, of_b_NP]).astype(float)

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        share_RK = (weight_RN @ column_NK) / weight_RN.sum(1, keepdims=True)
        share_R, habit_a_RP, habit_b_RP = np.split(share_RK, [1, 1 + len(choice_P)], axis=1)
        share_R = share_R[:, 0]
        chance_R = (habit_a_RP * habit_b_RP).sum(1)
        return {"share": share_R, "kappa": divide(share_R - chance_R, 1 - chance_R)}

    return statistic


def _with_common_scores(a: Answers, b: Answers) -> tuple[Answers, Answers]:
    """Return both runs, with probabilities only where both have them."""
    common_N1 = (a.scored & b.scored)[:, None]
    return tuple(
        replace(run, log_probabilities=np.where(common_N1, run.log_probabilities, np.nan))
        for run in (a, b)
    )


def _metrics(
    a: Answers, b: Answers, draws: dict[str, np.ndarray], p_values: dict[str, float]
) -> dict[str, dict]:
    a, b = _with_common_scores(a, b)
    n, scored = len(a), int(a.scored.sum())
    in_a, in_b = observed(run_statistic(a), n), observed(run_statistic(b), n)
    metrics = {}
    for name in METRICS:
        value_a, value_b = (_known(values.get(name)) for values in (in_a, in_b))
        gain = None if value_a is None or value_b is None else value_b - value_a
        metrics[name] = {
            "a": value_a,
            "b": value_b,
            "difference": gain,
            "ci95": None if gain is None else metric_interval(name, draws[name], gain),
            "n": n if name in FROM_CHOICES else scored,
        }
        if name in p_values:
            metrics[name]["p_value"] = p_values[name]
    return metrics


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value
