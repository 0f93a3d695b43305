"""The table of the metrics beyond accuracy, and how each of them is called and written."""

from collections.abc import Sequence

from mcqa.report import numbers
from mcqa.report.blocks import Table, Text

HEADINGS = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1 over positions",
    "top2": "Right option among the two likeliest",
    "mrr": "Mean reciprocal rank (MRR)",
    "map3": "MAP@3",
    "nll": "Negative log-likelihood, nats ↓",
    "brier": "Brier score ↓",
    "ece": "Calibration error (ECE) ↓",
    "ece_equal_mass": "The same, bins of equal size ↓",
    "auroc": "AUROC of confidence",
    "aurc": "Area under risk-coverage (AURC) ↓",
    "accuracy_at_50": "Accuracy, surest 50%",
    "accuracy_at_80": "Accuracy, surest 80%",
    "accuracy_at_90": "Accuracy, surest 90%",
}
PERCENT = {"accuracy", "top2", "accuracy_at_50", "accuracy_at_80", "accuracy_at_90"}


def metric_table(runs: list[dict]) -> list[Table | Text]:
    """Return the table of further metrics, nothing where no run has any."""
    described = [run for run in runs if "metrics" in run["metrics"]]
    if not described:
        return []
    rows = [
        [heading, *(_cell(run["metrics"], name) for run in runs)]
        for name, heading in HEADINGS.items()
        if name != "accuracy"
    ]
    rows.append(["Spread of the positions' recalls (RStd) ↓", *map(_spread, runs)])
    bootstrap = described[0]["metrics"]["bootstrap"]
    note = (
        "Higher is better, but lower where there is a ↓. A dash: needs probabilities, which "
        "generated answers do not have. In brackets 95% intervals: Wilson's for shares, else of a "
        f"bootstrap ({bootstrap['resamples']:,} resamples, seed {bootstrap['seed']}). Calibration "
        "errors and RStd are raised by noise: compare them between runs over the same questions "
        "only."
    )
    return [Table(["Metric", *(run["name"] for run in runs)], rows), Text(note)]


def format_metric(name: str, value: float | None, ci95: Sequence[float] | None = None) -> str:
    """Return a metric as people read it: a share in percent, another number as it is."""
    return (numbers.format_accuracy if name in PERCENT else numbers.format_value)(value, ci95)


def _cell(metrics: dict, name: str) -> str:
    known = metrics.get("metrics", {}).get(name)
    return numbers.UNKNOWN if known is None else format_metric(name, known["value"], known["ci95"])


def _spread(run: dict) -> str:
    known = run["metrics"].get("positions")
    return numbers.format_value(**_plain(known["rstd"])) if known else numbers.UNKNOWN


def _plain(known: dict) -> dict:
    return {"value": known["value"], "interval": known["ci95"]}
