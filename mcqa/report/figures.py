"""The plots of a report, each of them only where the runs have what it shows.

accuracy        every run's accuracy
subjects        the same per subject
reliability     how often a run is right that is so sure
risk-coverage   what is wrong among the answers it is surest of
positions       where it is right, and which positions it chooses
cost            accuracy against speed and memory
"""

from collections.abc import Callable

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from mcqa.evaluation.numbers import format_accuracy
from mcqa.question import LETTERS
from mcqa.report.drawing import (
    ACCENT,
    INK,
    SETTINGS,
    legend,
    new_figure,
    plain,
    render,
    shortened,
    styles,
    whisker,
)
from mcqa.report.reliability import reliability
from mcqa.report.subjects import subjects

WIDE = 10
"""From how many times the smallest cost on the axis of costs is logarithmic."""

COSTS = (
    ("questions_per_second", 1, "questions per second"),
    ("peak_memory_bytes", 1e9, "memory while scoring in GB"),
)


def draw_figures(runs: list[dict]) -> dict[str, bytes]:
    """Return the plots that can be drawn of these runs, as SVG by name, in the order to show them.

    Args:
        runs: as `write_report` takes them.
    """
    with matplotlib.rc_context(SETTINGS):
        figures = {name: draw(runs) for name, draw in FIGURES.items()}
        return {name: render(figure) for name, figure in figures.items() if figure is not None}


def accuracies(runs: list[dict]) -> Figure | None:
    """Draw a row per run, first on top: name and accuracy above a dot, a whisker and chance."""
    runs = _with(runs, "accuracy")
    if not runs:
        return None
    figure = new_figure(0.85 + 0.52 * len(runs))
    axes = figure.add_subplot()
    beside = {
        "xycoords": axes.get_yaxis_transform(),
        "textcoords": "offset points",
        "color": INK,
        "in_layout": False,
    }
    ends, chances = [], []
    for row, run in enumerate(runs):
        metrics = run["metrics"]
        low, high = (100 * end for end in metrics["accuracy_ci95"])
        ends += [low, high]
        axes.axhline(row, color=INK, alpha=0.25, linewidth=0.8)
        axes.plot([low, high], [row, row], color=ACCENT, linewidth=2.5)
        axes.plot([100 * metrics["accuracy"]], [row], "o", color=ACCENT, markersize=8)
        if metrics["chance"] is not None:
            chances.append(100 * metrics["chance"])
            axes.vlines(chances[-1:], row - 0.08, row + 0.4, color=INK, linestyle="--")
        name, value = shortened(run["name"]), format_accuracy(metrics["accuracy"])
        axes.annotate(name, (0, row), xytext=(0, 7), parse_math=False, **beside)
        axes.annotate(value, (1, row), xytext=(0, 7), ha="right", **beside)
    # intervals and chance fit in, widened to whole steps of 5 percent
    low, high = min(ends + chances), max(ends + chances)
    axes.set_xlim(max(5 * ((low - 1) // 5), -1), min(5 * ((high + 1) // 5 + 1), 101))
    axes.set_ylim(len(runs) - 0.55, -0.7)
    label = "accuracy in %, with its 95% interval"
    axes.set_xlabel(f"{label}; dashed: chance" if chances else label)
    axes.set_yticks([])
    plain(axes, left=False)
    return figure


def risk_coverage(runs: list[dict]) -> Figure | None:
    """Draw what share is wrong among the most confident answers, over the share these make."""
    shown = _with(runs, "risk_coverage")
    if not shown:
        return None
    figure = new_figure(3.2)
    axes = figure.add_subplot()
    for _, run, color, marker in styles(runs, shown):
        curve = run["metrics"]["risk_coverage"]
        coverage, risk = ([100 * x for x in curve[key]] for key in ("coverage", "risk"))
        axes.plot(coverage, risk, color=color, linewidth=1.5)
        axes.plot(coverage[-1:], risk[-1:], marker, color=color, markersize=5)
    axes.set(xlim=(0, 102), xlabel="answered, the surest first, in %", ylabel="wrong in %")
    axes.set_ylim(bottom=0)
    plain(axes)
    legend(figure, runs, shown)
    return figure


def positions(runs: list[dict]) -> Figure | None:
    """Draw the recall of every gold position, and how often every position is chosen."""
    shown = _with(runs, "positions")
    if not shown:
        return None
    figure = new_figure(4.2)
    above, below = figure.subplots(2, 1, sharex=True)
    step = 0.6 / len(runs)
    longest: list[dict] = []
    for place, run, color, marker in styles(runs, shown):
        described = run["metrics"]["positions"]["positions"]
        longest = max(longest, described, key=len)
        for at in described:
            x = at["position"] + step * (place - (len(runs) - 1) / 2)
            if at["recall"] is not None:
                whisker(above, x, 100 * at["recall"], at["recall_ci95"], color, marker)
            whisker(below, x, 100 * at["chosen_share"], at["chosen_ci95"], color, marker)
    for at in longest:
        x, gold = at["position"], 100 * at["gold"] / shown[0]["metrics"]["n"]
        below.hlines(gold, x - 0.4, x + 0.4, color=INK, linestyle="--", linewidth=1)
    above.set(ylabel="right in %\nof those with it there")
    below.set(ylabel="chosen in %\ndashed: right there", xlabel="position of the option")
    below.set_xticks(range(len(longest)), LETTERS[: len(longest)])
    for axes in (above, below):
        axes.set_ylim(bottom=0)
        plain(axes)
    legend(figure, runs, shown)
    return figure


def cost(runs: list[dict]) -> Figure | None:
    """Draw accuracy over each cost that two runs at least have, to hold them together."""
    panels = []
    for key, unit, label in COSTS:
        shown = [run for run in _with(runs, "accuracy") if run["metrics"].get(key)]
        if len(shown) > 1:
            panels.append((label, shown, [run["metrics"][key] / unit for run in shown]))
    if not panels:
        return None
    figure = new_figure(3)
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (label, shown, amounts) in zip(row, panels, strict=True):
        _cost_panel(axes, runs, shown, amounts)
        axes.set_xlabel(label)
    row[0].set_ylabel("accuracy in %")
    legend(figure, runs, [run for _, shown, _ in panels for run in shown])
    return figure


def _with(runs: list[dict], key: str) -> list[dict]:
    return [run for run in runs if run["metrics"].get(key) is not None]


def _cost_panel(axes: Axes, runs: list[dict], shown: list[dict], amounts: list[float]) -> None:
    for (_, run, color, marker), amount in zip(styles(runs, shown), amounts, strict=True):
        metrics = run["metrics"]
        whisker(axes, amount, 100 * metrics["accuracy"], metrics["accuracy_ci95"], color, marker)
    if max(amounts) > WIDE * min(amounts):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(0, 1.1 * max(amounts))
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    plain(axes)


FIGURES: dict[str, Callable[[list[dict]], Figure | None]] = {
    "accuracy": accuracies,
    "subjects": subjects,
    "reliability": reliability,
    "risk-coverage": risk_coverage,
    "positions": positions,
    "cost": cost,
}
