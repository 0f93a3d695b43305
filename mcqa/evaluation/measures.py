"""Everything there is to say about one run: each metric with its n and its 95% interval.

Intervals of shares are Wilson's, others the bootstrap's, of a calibration error the basic one: the
percentile interval of a perfectly calibrated run always lies above the truth, the basic one holds
a true error of 0.03 in nearly 90 of 100 samples (n = 300 and 1,221). It still leaves zero out too
often to be read as a test of calibration.
"""

import numpy as np

from mcqa.evaluation import confidence
from mcqa.evaluation.kind_quality import (
    describe_options,
    own_question_values,
    own_statistics,
    yes_at_precision,
)
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.quality import confusion, macro_f1, question_values, tied_gold
from mcqa.evaluation.resampling import Statistic, bootstrap, interval, means, merge, observed
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


def _judged(answers: AnyAnswers) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities to calibrate and what came true: of choices, or of options."""
    if isinstance(answers, SetAnswers):
        return answers.probabilities, answers.labels
    return answers.confidence, answers.correct


def describe_run(answers: AnyAnswers, *, seed: int = 0, resamples: int = 1000) -> dict:
    """Return every metric of one run, and what its plots need.

    Returns:
        What docs/evaluation.md says of `metrics.json`, and `scored`, how many answers have
        probabilities, the settings and `tied_gold` and `confusion` or, of sets, `options`. A metric
        that is not defined has but an `n`.
    """
    n, scored = len(answers), int(answers.scored.sum())
    statistic = run_statistic(answers)
    values = observed(statistic, n)
    draws = bootstrap(statistic, n, seed=seed, resamples=resamples)
    metrics = {
        name: _describe(metric, values, draws, scored if metric.needs_scores else n)
        for name, metric in run_metrics(answers).items()
    }
    bins, points = {name: [] for name in EDGES}, None
    if scored:
        known = answers.take(answers.scored)
        judged, came_true = _judged(known)
        exists = ~np.isnan(judged)
        for name, edges_of in EDGES.items():
            edges = edges_of(judged[exists])
            bins[name] = confidence.reliability(judged[exists], came_true[exists], edges)
        curve = confidence.risk_coverage(known.confidence, known.correct)
        kept = np.linspace(0, len(curve["n"]) - 1, min(len(curve["n"]), CURVE_POINTS))
        points = {x: curve[x][np.unique(kept.astype(int))].tolist() for x in ("coverage", "risk")}
        for percent in COVERAGES:
            known_at = confidence.accuracy_at_coverage(curve, percent)
            metrics[f"accuracy_at_{percent}"] = {**known_at, "interval": "wilson"}
        if "yes_recall" in metrics:
            metrics["yes_recall"] |= {"at": yes_at_precision(known)}
    ties, places = {}, {}
    if isinstance(answers, SetAnswers):
        places["options"] = describe_options(answers)
    else:
        ties["tied_gold"] = tied_gold(answers.log_probabilities, answers.labels)
        places["confusion"] = confusion(answers.labels, answers.choices)
    return {
        "n": n,
        "scored": scored,
        "unparsed": int((~answers.parsed).sum()),
        **ties,
        "metrics": metrics,
        **places,
        "reliability": bins,
        "risk_coverage": points,
        "seed": seed,
        "resamples": resamples,
    }


def metric_interval(metric: Metric, draws_R: np.ndarray, value: float, **bound) -> list | None:
    """Return the bootstrap interval that suits a metric: basic where noise raises it."""
    return interval(draws_R, value if metric.interval == "basic" else None, **bound)


def _describe(metric: Metric, values: dict, draws: dict, n: int) -> dict:
    value = values.get(metric.name, np.nan)
    if np.isnan(value):
        return {"value": None, "n": n, "ci95": None, "interval": None}
    if metric.share:
        ci95 = wilson_interval(round(value * n), n)
    else:
        ci95 = metric_interval(metric, draws[metric.name], value, at_least=metric.lowest)
    return {"value": value, "n": n, "ci95": ci95, "interval": metric.interval}
