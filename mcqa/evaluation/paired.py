"""Every metric of two runs over the same questions, side by side.

    a, b = align({"generative": predictions_a, "head": predictions_b}).values()
    accuracies = compare(a.correct, b.correct, ("generative", "head"))
    describe_pair(a, b, accuracies)["metrics"]["nll"]["difference"]

Metrics that need probabilities are compared over the questions for which both runs have them.
Those that are means over questions cost a matrix product per resample; the others must sort and
count, and get fewer resamples.
"""

from dataclasses import replace

import numpy as np

from mcqa.evaluation.answers import Answers
from mcqa.evaluation.comparison import deciding_p_value
from mcqa.evaluation.measures import metric_interval, other_statistic, run_statistic
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.pairing import check_aligned
from mcqa.evaluation.quality import question_values
from mcqa.evaluation.resampling import (
    Statistic,
    bootstrap,
    difference,
    divide,
    interval,
    means,
    observed,
)
from mcqa.evaluation.significance import minimum_detectable_difference, sign_flip_test
from mcqa.evaluation.table import METRICS


def describe_pair(
    a: Answers,
    b: Answers,
    accuracies: dict,
    *,
    seed: int = 0,
    resamples: int = 10_000,
    other_resamples: int = 1000,
    permutations: int = 10_000,
    cluster_N: np.ndarray | None = None,
) -> dict:
    """Return all that two runs over the same questions have in common and apart.

    Args:
        a: the first run's answers.
        b: the second run's, to the same questions in the same order.
        accuracies: what `mcqa.evaluation.comparison.compare` says of them: accuracy has its
            interval and p-value from there, before any correction.
        seed: seed of the bootstrap and of the permutations.
        resamples: how many bootstrap resamples to draw for metrics that are means over questions.
        other_resamples: how many to draw for the others and for kappa.
        permutations: how many permutations to draw.
        cluster_N: the group of each question, numbered from 0, to draw and permute whole groups.

    Returns:
        `n`; `table`, how many questions `both`, `a_only`, `b_only` and `neither` get right;
        `mcnemar`, the exact p-value;
        `metrics`, by name (see `mcqa.evaluation.table`) the value of `a` and of `b`, their
        `difference` (b minus a) with its bootstrap interval `ci95`, the `n` it rests on, and the
        `p_value` of a paired permutation test where the metric is a mean over questions;
        `minimum_detectable_difference` of the accuracy at this n (power 0.8, level 0.05);
        `agreement` of the choices: `share`, Cohen's `kappa`, their intervals;
        `clusters`, how many groups there are or None; `seed`, `resamples`, `other_resamples`,
        `permutations`.

    Raises:
        ComparisonError: the runs are not aligned.
        ConfigError: a number of draws is less than 1.
    """
    check_aligned(a, b)
    a, b = _with_common_scores(a, b)
    n, test = len(a), accuracies["mcnemar"]
    discordant = test["a_only"] + test["b_only"]
    table = {"both": int((a.correct & b.correct).sum())}
    table |= {side: test[side] for side in ("a_only", "b_only")}
    groups = {"seed": seed, "cluster_N": cluster_N}
    draws = bootstrap_differences(
        a, b, resamples=resamples, other_resamples=other_resamples, **groups
    )
    gains = mean_differences(a, b)  # with accuracy, for which questions are tossed rests on it
    tossed = sign_flip_test(
        np.column_stack(list(gains.values())), permutations=permutations, **groups
    )
    p_values = dict(zip(gains, tossed.tolist(), strict=True))
    metrics = _metrics(a, b, draws, p_values | {"accuracy": deciding_p_value(accuracies)})
    metrics["accuracy"]["ci95"] = accuracies["difference_ci95"]
    return {
        "n": n,
        "table": {**table, "neither": n - sum(table.values())},
        "mcnemar": test["p_value"],
        "metrics": metrics,
        "minimum_detectable_difference": minimum_detectable_difference(discordant, n),
        "agreement": agreement(a.choices, b.choices, resamples=other_resamples, **groups),
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
    of_a, of_b = question_values(a), question_values(b)
    return {name: of_b[name] - of_a[name] for name in of_a if name in of_b}


def bootstrap_differences(
    a: Answers,
    b: Answers,
    *,
    seed: int = 0,
    resamples: int = 10_000,
    other_resamples: int = 1000,
    cluster_N: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return bootstrap draws of b minus a for every metric that both have, but accuracy.

    Args:
        a, b, seed, resamples, other_resamples, cluster_N: as in `describe_pair`, with
            probabilities where both runs have them.
    """
    gains, settings = mean_differences(a, b), {"seed": seed, "cluster_N": cluster_N}
    del gains["accuracy"]  # `mcqa.evaluation.comparison` draws it
    of_others = difference(other_statistic(a), other_statistic(b))
    draws = bootstrap(of_others, len(a), resamples=other_resamples, **settings)
    if gains:
        draws |= bootstrap(means(gains), len(a), resamples=resamples, **settings)
    return draws


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
    return {
        "n": n,
        "share": same / n,
        "share_ci95": wilson_interval(same, n) if cluster_N is None else interval(draws["share"]),
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
    n, scored = len(a), int(a.scored.sum())
    in_a, in_b = (observed(run_statistic(run), n) for run in (a, b))
    metrics = {}
    for name, metric in METRICS.items():
        values = {"a": in_a.get(name, np.nan), "b": in_b.get(name, np.nan)}
        gain = values["difference"] = values["b"] - values["a"]
        drawn = name in draws and not np.isnan(gain)
        metrics[name] = {
            **{key: None if np.isnan(value) else value for key, value in values.items()},
            "ci95": metric_interval(metric, draws[name], gain) if drawn else None,
            "n": scored if metric.needs_scores else n,
        }
        if name in p_values:
            metrics[name]["p_value"] = p_values[name]
    return metrics
