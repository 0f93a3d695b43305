"""Everything there is to say about one run: each metric with its n and its 95% interval.

Intervals of shares are Wilson's, others the bootstrap's, those of means over groups of questions
Student's. The expected calibration error, which noise raises, has none: see
`mcqa.evaluation.debiased` for the one that has.
"""

import numpy as np

from mcqa.evaluation import confidence
from mcqa.evaluation.clustered import mean_interval, renumber, share_of
from mcqa.evaluation.debiased import debiased_calibration_error
from mcqa.evaluation.kind_quality import (
    describe_options,
    own_question_values,
    own_statistics,
    yes_at_precision,
)
from mcqa.evaluation.quality import confusion, macro_f1, question_values, tied_gold
from mcqa.evaluation.resampling import (
    Statistic,
    bootstrap,
    count_groups,
    interval,
    means,
    merge,
    observed,
)
from mcqa.evaluation.sets import AnyAnswers, SetAnswers
from mcqa.evaluation.table import COVERAGES, Metric, metrics_of

CURVE_POINTS = 200
EDGES = {"ece": confidence.equal_width_edges, "ece_equal_mass": confidence.equal_mass_edges}


def run_metrics(answers: AnyAnswers) -> dict[str, Metric]:
    """Return the metrics that such questions have, in the order to show them."""
    return metrics_of(answers.kind, targets=answers.targets is not None)


def run_values(answers: AnyAnswers) -> dict[str, np.ndarray]:
    """Return each metric's value for every question, for metrics that are means over questions.

    NaN where the answer has no scores; without any scores only of metrics that need none.
    """
    if isinstance(answers, SetAnswers):
        values = {"accuracy": answers.correct.astype(float)}
    else:
        values = question_values(answers)
    values |= own_question_values(answers)
    return {name: values[name] for name in run_metrics(answers) if name in values}


def run_statistic(answers: AnyAnswers) -> Statistic:
    """Return the statistic of a run's metrics, without scores only of those that need none."""
    return merge([means(run_values(answers)), other_statistic(answers)])


def other_statistic(answers: AnyAnswers) -> Statistic:
    """Return the statistic of the metrics that are not means over questions."""
    sets = isinstance(answers, SetAnswers)
    statistics = [*([] if sets else [macro_f1(answers)]), *own_statistics(answers)]
    if not answers.scored.any():
        return merge(statistics)
    sure, right = _judged(answers)
    error_of = confidence.option_calibration_error if sets else confidence.calibration_error
    for name, edges_of in EDGES.items():
        statistics.append(error_of(name, sure, right, edges_of(sure[~np.isnan(sure)])))
    return merge([*statistics, confidence.selective(answers.confidence, answers.correct)])


def calibration_error(answers: AnyAnswers, cluster_N: np.ndarray | None = None) -> dict:
    """Return `mcqa.evaluation.debiased.debiased_calibration_error` of the scored answers."""
    sure, right = _judged(answers)
    exists = ~np.isnan(sure)
    unit = _spread(np.arange(len(answers)) if cluster_N is None else cluster_N, sure)
    return debiased_calibration_error(sure[exists], right[exists], unit[exists])


def _spread(of_N: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return what each question has for each of its options, where they are judged by option."""
    return np.broadcast_to(of_N.reshape(-1, *[1] * (like.ndim - 1)), like.shape)


def _judged(answers: AnyAnswers) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities to calibrate and what came true: of choices, or of options."""
    if isinstance(answers, SetAnswers):
        return answers.probabilities, answers.labels
    return answers.confidence, answers.correct


def describe_run(
    answers: AnyAnswers,
    *,
    seed: int = 0,
    resamples: int = 1000,
    cluster_N: np.ndarray | None = None,
) -> dict:
    """Return every metric of one run, and what its plots need.

    Args:
        seed, resamples: of the bootstrap.
        cluster_N: the group of each question, numbered from 0, where questions of a group are no
            independent evidence; all intervals go by groups then.

    Returns:
        What docs/evaluation.md says of `metrics.json`, and `scored`, how many answers have
        probabilities, the settings and `tied_gold` and `confusion` or, of sets, `options`. A metric
        that is not defined has but an `n`. With groups `clusters` says how many there are.
    """
    n, scored = len(answers), int(answers.scored.sum())
    statistic = run_statistic(answers)
    values = observed(statistic, n)
    draws = bootstrap(statistic, n, seed=seed, resamples=resamples, cluster_N=cluster_N)
    metrics = {
        name: _describe(metric, values, draws, scored if metric.needs_scores else n)
        for name, metric in run_metrics(answers).items()
    }
    for name, value_N in run_values(answers).items():
        known_N = ~np.isnan(value_N)
        known_M, group_M = value_N[known_N], renumber(cluster_N, known_N)
        if metrics[name]["interval"] == "wilson":
            metrics[name] |= share_of(known_M == 1, group_M)
        elif metrics[name]["interval"] and cluster_N is not None:  # few groups are no bootstrap's
            metrics[name] |= {"ci95": mean_interval(known_M, group_M), "interval": "student"}
    bins, points = {name: [] for name in EDGES}, None
    if scored:
        known, group_M = answers.take(answers.scored), renumber(cluster_N, answers.scored)
        judged, came_true = _judged(known)
        group_of = None if group_M is None else _spread(group_M, judged)
        exists = ~np.isnan(judged)
        for name, edges_of in EDGES.items():
            edges = edges_of(judged[exists])
            group = renumber(group_of, exists)
            bins[name] = confidence.reliability(judged[exists], came_true[exists], edges, group)
        curve = confidence.risk_coverage(known.confidence, known.correct)
        kept = np.linspace(0, len(curve["n"]) - 1, min(len(curve["n"]), CURVE_POINTS))
        points = {x: curve[x][np.unique(kept.astype(int))].tolist() for x in ("coverage", "risk")}
        for percent in COVERAGES:
            known_at = confidence.accuracy_at_coverage(curve, percent)
            sure_M = known.confidence >= known_at["threshold"]
            known_at |= share_of(known.correct[sure_M], renumber(group_M, sure_M))
            metrics[f"accuracy_at_{percent}"] = {**known_at, "interval": "wilson"}
        metrics["ece_debiased"] |= calibration_error(answers, cluster_N)
        metrics["ece_debiased"]["interval"] = "inverted"
        if "yes_recall" in metrics:
            metrics["yes_recall"] |= {"at": yes_at_precision(known)}
    ties, places = {}, {}
    groups = {} if cluster_N is None else {"clusters": count_groups(cluster_N)}
    if isinstance(answers, SetAnswers):
        places["options"] = describe_options(answers)
    else:
        ties["tied_gold"] = tied_gold(answers.log_probabilities, answers.labels)
        places["confusion"] = confusion(answers.labels, answers.choices)
    return {
        "n": n,
        "scored": scored,
        "unparsed": int((~answers.parsed).sum()),
        **groups,
        **ties,
        "metrics": metrics,
        **places,
        "reliability": bins,
        "risk_coverage": points,
        "seed": seed,
        "resamples": resamples,
    }


def metric_interval(metric: Metric, draws_R: np.ndarray) -> list | None:
    """Return the bootstrap interval of a metric, None where it has none."""
    return interval(draws_R) if metric.interval else None


def _describe(metric: Metric, values: dict, draws: dict, n: int) -> dict:
    """Return a metric with its bootstrap interval; shares have theirs from `share_of`."""
    value = values.get(metric.name, np.nan)
    if np.isnan(value):
        return {"value": None, "n": n, "ci95": None, "interval": None}
    ci95 = None if metric.share else metric_interval(metric, draws[metric.name])
    return {"value": value, "n": n, "ci95": ci95, "interval": metric.interval}
