"""Accuracy per subject: who is good at what, as far as the questions can tell.

A subject with few questions has an interval as wide as the plot. So those below `FEWEST`
questions are taken together, unless all are that small, as are the smallest beyond `MOST`.
"""

from matplotlib.figure import Figure

from mcqa.evaluation.metrics import share
from mcqa.report.drawing import INK, legend, new_figure, plain, shortened, styles, whisker

FEWEST, MOST = 10, 30


def subject_accuracies(metrics: dict) -> list[dict]:
    """Return `name`, `n`, `value` and `ci95` of a run's subjects, the largest first.

    Small ones are taken together at last; nothing where questions have no subject.
    """
    rows = [
        {"name": name, **group["metrics"]["accuracy"]}
        for name, group in (metrics.get("per_subject") or {}).items()
    ]
    rows.sort(key=lambda row: (-row["n"], row["name"]))
    own = [row for row in rows[:MOST] if row["n"] >= FEWEST] or rows[:MOST]
    pooled = rows[len(own) :]
    if len(pooled) < 2:
        return rows
    n = sum(row["n"] for row in pooled)
    right = sum(round(row["value"] * row["n"]) for row in pooled)
    return [*own, {"name": f"{len(pooled)} smaller subjects", **share(right, n)}]


def subjects(runs: list[dict]) -> Figure | None:
    """Draw every subject's accuracies as a row, where there are at least two subjects."""
    tables = [subject_accuracies(run["metrics"]) for run in runs]
    longest = max(tables, key=len, default=[])
    if len(longest) < 2:
        return None
    step = 0.8 / len(runs)
    figure = new_figure(0.9 + len(longest) * (0.16 + 0.11 * len(runs)))
    axes = figure.add_subplot()
    for place, _, color, marker in styles(runs, runs):
        for row, group in enumerate(tables[place]):
            y = row + step * (place - (len(runs) - 1) / 2)
            whisker(axes, 100 * group["value"], y, group["ci95"], color, marker, upright=False)
    for row in range(1, len(longest)):
        axes.axhline(row - 0.5, color=INK, alpha=0.25, linewidth=0.8)
    labels = [f"{shortened(group['name'], 24)} ({group['n']})" for group in longest]
    axes.set_yticks(range(len(longest)), labels)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set(xlim=(-1, 101), ylim=(len(longest) - 0.4, -0.6), xlabel="accuracy in %")
    plain(axes, left=False)
    axes.tick_params(axis="y", length=0)
    legend(figure, runs, [run for run, table in zip(runs, tables, strict=True) if table])
    return figure
