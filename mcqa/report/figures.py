"""The plots of a report, each of them only where the runs have what it shows.

accuracy        every run's accuracy
subjects        the same per subject
reliability     how often a run is right that is so sure
risk-coverage   what is wrong among the answers it is surest of
positions       where it is right, and which positions it chooses
cost            accuracy against speed and memory
"""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from mcqa.question import LETTERS
from mcqa.report.drawing import INK, legend, new_figure, plain, render, settings, styles, whisker
from mcqa.report.plots import accuracies
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
    drawn = {}
    for name, draw in FIGURES.items():
        with settings():
            figure = draw(runs)
            if figure is not None:
                drawn[name] = render(figure)
    return drawn


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
    for place, run, color, marker in styles(runs, shown):
        for at in run["metrics"]["positions"]["positions"]:
            x = at["position"] + step * (place - (len(runs) - 1) / 2)
            if at["recall"] is not None:
                whisker(above, x, 100 * at["recall"], at["recall_ci95"], color, marker)
            whisker(below, x, 100 * at["chosen_share"], at["chosen_ci95"], color, marker)
    longest = max((run["metrics"]["positions"]["positions"] for run in shown), key=len)
    n = shown[0]["metrics"]["n"]
    for at in longest:
        x, gold = at["position"], 100 * at["gold"] / n
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
        known = {run["name"]: run["metrics"].get(key) for run in _with(runs, "accuracy")}
        amounts = {name: amount / unit for name, amount in known.items() if amount}
        if len(amounts) > 1:
            panels.append((amounts, label))
    if not panels:
        return None
    figure = new_figure(3)
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (amounts, label) in zip(row, panels, strict=True):
        _cost_panel(axes, runs, amounts)
        axes.set_xlabel(label)
    row[0].set_ylabel("accuracy in %")
    legend(figure, runs, [run for run in runs if any(run["name"] in a for a, _ in panels)])
    return figure


def _with(runs: list[dict], key: str) -> list[dict]:
    return [run for run in runs if run["metrics"].get(key) is not None]


def _cost_panel(axes: Axes, runs: list[dict], amounts: dict[str, float]) -> None:
    """Draw accuracy over one cost, given by run."""
    for _, run, color, marker in styles(runs):
        if run["name"] in amounts:
            x, y = amounts[run["name"]], 100 * run["metrics"]["accuracy"]
            whisker(axes, x, y, run["metrics"]["accuracy_ci95"], color, marker)
    if max(amounts.values()) > WIDE * min(amounts.values()):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(0, 1.1 * max(amounts.values()))
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
