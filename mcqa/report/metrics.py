"""The tables of the metrics beyond accuracy, and of what a temperature does to calibration."""

from mcqa.evaluation import numbers
from mcqa.evaluation.table import METRICS, RSTD, Metric
from mcqa.kinds import KINDS
from mcqa.report.blocks import Table, Text

OF_SETS = (
    " Right is who chooses all right options and no other. F1 and the Jaccard index tell how much "
    "of the sets agrees, the Hamming loss how many options are judged wrongly. Likelihood, Brier "
    "score and calibration are of the single options."
)
OF_LEVELS = (
    " Quadratic kappa is the agreement beyond chance, where two levels off count four times as "
    "much as one; the median level is where half of the probability is reached."
)
OF_TARGETS = " Cross-entropy and total variation are the distance to the soft labels."

NOTE = (
    "Scores divided by the temperature choose the same options and are surer (below 1) or less "
    "sure (above 1). It was fitted on other questions than these. All other numbers of this "
    "page are of the probabilities before it."
)
BOUND_NOTE = (
    " At a bound no temperature in reach fits best: all validation answers were right, or "
    "the scores say less than nothing."
)


def metric_blocks(runs: list[dict], kind: str = "") -> list[Table | Text]:
    """Return the table of further metrics, nothing where no run has any.

    `kind` is that of the questions, where it is not a plain choice alone.
    """
    described = [run["metrics"] for run in runs if "metrics" in run["metrics"]]
    if not described:
        return []
    rows = []
    for metric in (*METRICS.values(), RSTD):
        known = any(metric.name in run["metrics"] for run in described) or metric is RSTD
        if metric.name != "accuracy" and known and (not kind or kind in metric.kinds):
            part = "positions" if metric is RSTD else "metrics"
            found = (run["metrics"].get(part, {}).get(metric.name) for run in runs)
            rows.append([metric.title, *(format_metric(metric, known) for known in found)])
    bootstrap = described[0]["bootstrap"]
    note = (
        "Higher is better, but lower where there is a ↓. A dash: needs probabilities, which "
        "generated answers do not have. In brackets 95% intervals: Wilson's for shares, else of a "
        f"bootstrap ({bootstrap['resamples']:,} resamples, seed {bootstrap['seed']}). Calibration "
        "errors and RStd are raised by noise: compare them between runs over the same questions "
        "only."
    )
    if kind:
        note += OF_SETS * KINDS[kind].several + OF_LEVELS * KINDS[kind].ordered
    if any("soft_nll" in run["metrics"] for run in described):
        note += OF_TARGETS
    return [Table(["Metric", *(run["name"] for run in runs)], rows), Text(note)]


def calibration_blocks(runs: list[dict]) -> list[Table | Text]:
    """Return the table of runs that have a temperature, a line on each that has none, if asked."""
    asked = {run["name"]: found for run in runs if (found := run["metrics"].get("calibration"))}
    known = {name: found for name, found in asked.items() if found["temperature"] is not None}
    blocks: list[Table | Text] = []
    if known:
        described = list(known.values())
        bounds = [" (a bound)" * found["fitted"]["at_bound"] for found in described]
        values = zip(described, bounds, strict=True)
        rows = [
            ["Temperature", *(f"{found['temperature']:.3g}{bound}" for found, bound in values)],
            ["Fitted on", *(found["note"] for found in described)],
        ]
        for name, metric in METRICS.items():
            for when in ("before", "after") if name in described[0]["before"] else ():
                cells = (format_metric(metric, found[when][name]) for found in described)
                rows.append([f"{metric.title}, {when}", *cells])
        note = NOTE + BOUND_NOTE if any(bounds) else NOTE
        blocks = [Table(["Calibration", *known], rows), Text(note)]
    unknown = (name for name in asked if name not in known)
    return blocks + [Text(f"{name}: {asked[name]['note']}", "plain") for name in unknown]


def format_metric(metric: Metric, known: dict | None) -> str:
    """Return a metric (`value`, `ci95`): a share in percent, another as it is, a dash for None."""
    if not known:
        return numbers.UNKNOWN
    format_number = numbers.format_accuracy if metric.share else numbers.format_value
    return format_number(known["value"], known["ci95"])
