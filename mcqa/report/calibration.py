"""What a temperature does: calibration before and after it, number by number."""

from mcqa.evaluation.table import METRICS
from mcqa.report.blocks import Table, Text
from mcqa.report.further import format_known


def calibration_blocks(runs: list[dict]) -> list[Table | Text]:
    """Return the table of runs that have a temperature, and a line on each that has none.

    Nothing where it was not asked for.
    """
    asked = [run for run in runs if run["metrics"].get("calibration")]
    known = [run for run in asked if run["metrics"]["calibration"]["temperature"] is not None]
    blocks = []
    if known:
        described = [run["metrics"]["calibration"] for run in known]
        rows = [
            ["Temperature", *map(_temperature, described)],
            ["Fitted on", *(calibration["note"] for calibration in described)],
        ]
        for name, metric in METRICS.items():
            for when in ("before", "after") if name in described[0]["before"] else ():
                cells = (format_known(metric, run[when][name]) for run in described)
                rows.append([f"{metric.title}, {when}", *cells])
        blocks = [Table(["Calibration", *(run["name"] for run in known)], rows), Text(_note(known))]
    for run in asked:
        if run not in known:
            told = run["metrics"]["calibration"]["note"]
            blocks.append(Text(f"{run['name']}: {told}", "plain"))
    return blocks


def _temperature(calibration: dict) -> str:
    bound = " (a bound)" if calibration["fitted"]["at_bound"] else ""
    return f"{calibration['temperature']:.3g}{bound}"


def _note(known: list[dict]) -> str:
    text = (
        "Scores divided by the temperature choose the same options and are surer (below 1) or less "
        "sure (above 1). It was fitted on other questions than these. All other numbers of this "
        "page are of the probabilities before it."
    )
    if any(run["metrics"]["calibration"]["fitted"]["at_bound"] for run in known):
        text += (
            " At a bound no temperature in reach fits best: all validation answers were right, or "
            "the scores say less than nothing."
        )
    return text
