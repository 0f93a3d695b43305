"""The table of the metrics beyond accuracy, and how each of them is written."""

from collections.abc import Sequence

from mcqa.evaluation import numbers
from mcqa.evaluation.table import METRICS, RSTD, Metric
from mcqa.report.blocks import Table, Text


def metric_table(runs: list[dict]) -> list[Table | Text]:
    """Return the table of further metrics, nothing where no run has any."""
    described = [run["metrics"] for run in runs if "metrics" in run["metrics"]]
    if not described:
        return []
    rows = [
        [metric.title, *(format_known(metric, _known(run["metrics"], metric)) for run in runs)]
        for metric in (*METRICS.values(), RSTD)
        if metric.name != "accuracy"
    ]
    bootstrap = described[0]["bootstrap"]
    note = (
        "Higher is better, but lower where there is a ↓. A dash: needs probabilities, which "
        "generated answers do not have. In brackets 95% intervals: Wilson's for shares, else of a "
        f"bootstrap ({bootstrap['resamples']:,} resamples, seed {bootstrap['seed']}). Calibration "
        "errors and RStd are raised by noise: compare them between runs over the same questions "
        "only."
    )
    return [Table(["Metric", *(run["name"] for run in runs)], rows), Text(note)]


def format_metric(metric: Metric, value: float | None, ci95: Sequence[float] | None = None) -> str:
    """Return a metric as people read it: a share in percent, another number as it is."""
    return (numbers.format_accuracy if metric.share else numbers.format_value)(value, ci95)


def format_known(metric: Metric, known: dict | None) -> str:
    """Return what `metrics.json` says of a metric, a dash where it says nothing."""
    return format_metric(metric, known["value"], known["ci95"]) if known else numbers.UNKNOWN


def _known(described: dict, metric: Metric) -> dict | None:
    return described.get("positions" if metric is RSTD else "metrics", {}).get(metric.name)
