"""Every metric of two runs over the same questions, side by side.

Metrics that need probabilities are compared over the questions for which both runs have them. Those
that are no means over questions must be sorted and counted anew, and get fewer resamples.
"""

import numpy as np

from mcqa.evaluation.comparison import deciding_p_value
from mcqa.evaluation.measures import (
    metric_interval,
    other_statistic,
    run_metrics,
    run_statistic,
    run_values,
)
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.pairing import check_aligned
from mcqa.evaluation.resampling import bootstrap, divide, interval, means, observed
from mcqa.evaluation.sets import AnyAnswers, joint_codes
from mcqa.evaluation.significance import minimum_detectable_difference, sign_flip_test


def describe_pair(
    a: AnyAnswers,
    b: AnyAnswers,
    accuracies: dict,
    *,
    seed: int = 0,
    resamples: int = 10_000,
    other_resamples: int = 1000,
    permutations: int = 10_000,
    cluster_N: np.ndarray | None = None,
) -> dict:
    """Return the `paired` of `comparison.json`: all that two aligned runs have in common and apart.

    Args:
        accuracies: what `mcqa.evaluation.comparison.compare` says of them: accuracy has its
            interval and p-value from there, before any correction.
        resamples, other_resamples: for metrics that are means over questions, and for the others.
        permutations: how many tosses of the permutation tests.
        cluster_N: the group of each question, numbered from 0, to draw and toss whole groups.

    Raises:
        ComparisonError: the runs are not aligned.
    """
    check_aligned(a, b)
    common_N = a.scored & b.scored
    a, b = (run.keep_scores(common_N) for run in (a, b))
    n, table = len(a), {"both": int((a.correct & b.correct).sum()), **accuracies["mcnemar"]}
    mcnemar, differing = table.pop("p_value"), table["a_only"] + table["b_only"]
    groups = {"seed": seed, "cluster_N": cluster_N}
    numbers = {"resamples": resamples, "other_resamples": other_resamples}
    draws = bootstrap_differences(a, b, **numbers, **groups)
    gains = mean_differences(a, b)  # with accuracy, for which questions are tossed rests on it
    gain_NK = np.column_stack(list(gains.values()))
    tossed_K = sign_flip_test(gain_NK, permutations=permutations, **groups)
    p_values = dict(zip(gains, tossed_K.tolist(), strict=True))
    metrics = _metrics(a, b, draws, p_values | {"accuracy": deciding_p_value(accuracies)})
    metrics["accuracy"]["ci95"] = accuracies["difference_ci95"]
    return {
        "n": n,
        "table": {**table, "neither": n - sum(table.values())},
        "mcnemar": mcnemar,
        "metrics": metrics,
        "minimum_detectable_difference": minimum_detectable_difference(differing, n),
        "agreement": agreement(*joint_codes(a, b), resamples=other_resamples, **groups),
        "clusters": None if cluster_N is None else int(cluster_N.max()) + 1,
        "seed": seed,
        **numbers,
        "permutations": permutations,
    }


def mean_differences(a: AnyAnswers, b: AnyAnswers) -> dict[str, np.ndarray]:
    """Return b minus a by question, NaN where unknown, of metrics that are means over questions."""
    of_a, of_b = run_values(a), run_values(b)
    return {name: of_b[name] - of_a[name] for name in of_a if name in of_b}


def bootstrap_differences(
    a: AnyAnswers, b: AnyAnswers, *, resamples: int = 10_000, other_resamples: int = 1000, **how
) -> dict[str, np.ndarray]:
    """Return draws of b minus a for every metric of both but accuracy; see `describe_pair`."""
    gains = mean_differences(a, b)
    del gains["accuracy"]
    of_a, of_b = other_statistic(a), other_statistic(b)

    def of_others(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        in_a, in_b = of_a(weight_RN), of_b(weight_RN)
        return {name: in_b[name] - in_a[name] for name in in_a if name in in_b}

    draws = bootstrap(of_others, len(a), resamples=other_resamples, **how)
    if gains:
        draws |= bootstrap(means(gains), len(a), resamples=resamples, **how)
    return draws


def agreement(
    choice_a_N: np.ndarray, choice_b_N: np.ndarray, *, cluster_N: np.ndarray | None = None, **how
) -> dict:
    """Return how often two runs choose the same option, and Cohen's kappa; see `bootstrap`.

    Kappa takes off what two runs with these habits would agree on by chance. It is None where both
    always make one and the same choice. Not parsed (-1) counts as a choice of its own. The share's
    interval is Wilson's, with clusters the bootstrap's.

    Source:
        Cohen (1960), A coefficient of agreement for nominal scales.
    """
    n, same_N = len(choice_a_N), choice_a_N == choice_b_N
    same, choice_P = int(same_N.sum()), np.union1d(choice_a_N, choice_b_N)
    of_a_NP, of_b_NP = choice_a_N[:, None] == choice_P, choice_b_N[:, None] == choice_P
    column_NK = np.hstack([same_N[:, None], of_a_NP, of_b_NP]).astype(float)

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        share_RK = (weight_RN @ column_NK) / weight_RN.sum(1, keepdims=True)
        share_R1, habit_a_RP, habit_b_RP = np.split(share_RK, [1, 1 + len(choice_P)], axis=1)
        share_R, chance_R = share_R1[:, 0], (habit_a_RP * habit_b_RP).sum(1)
        return {"share": share_R, "kappa": divide(share_R - chance_R, 1 - chance_R)}

    kappa = observed(statistic, n)["kappa"]
    draws = bootstrap(statistic, n, cluster_N=cluster_N, **how)
    return {
        "n": n,
        "share": same / n,
        "share_ci95": wilson_interval(same, n) if cluster_N is None else interval(draws["share"]),
        "kappa": None if np.isnan(kappa) else kappa,
        "kappa_ci95": None if np.isnan(kappa) else interval(draws["kappa"]),
    }


def _metrics(
    a: AnyAnswers, b: AnyAnswers, draws: dict, p_values: dict[str, float]
) -> dict[str, dict]:
    n, scored = len(a), int(a.scored.sum())
    in_a, in_b = (observed(run_statistic(run), n) for run in (a, b))
    metrics = {}
    for name, metric in run_metrics(a).items():
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
