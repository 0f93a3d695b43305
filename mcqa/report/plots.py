"""The plot of accuracies with their intervals."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mcqa.evaluation.numbers import format_accuracy
from mcqa.report.drawing import ACCENT, INK, new_figure, plain, shortened


def accuracies(runs: list[dict]) -> Figure | None:
    """Draw every run's accuracy and chance, where a run has one."""
    runs = [run for run in runs if run["metrics"]["accuracy"] is not None]
    if not runs:
        return None
    figure = new_figure(0.85 + 0.52 * len(runs))
    axes = figure.add_subplot()
    _plot(axes, runs)
    _frame(axes, runs)
    return figure


def _plot(axes: Axes, runs: list[dict]) -> None:
    """Draw one row per run, first on top: its name and accuracy above a dot and a whisker."""
    beside = {
        "xycoords": axes.get_yaxis_transform(),
        "textcoords": "offset points",
        "color": INK,
        "in_layout": False,
    }
    for row, run in enumerate(runs):
        metrics = run["metrics"]
        low, high = metrics["accuracy_ci95"]
        axes.axhline(row, color=INK, alpha=0.25, linewidth=0.8)
        axes.plot([100 * low, 100 * high], [row, row], color=ACCENT, linewidth=2.5)
        axes.plot([100 * metrics["accuracy"]], [row], "o", color=ACCENT, markersize=8)
        if metrics["chance"] is not None:
            axes.vlines(100 * metrics["chance"], row - 0.08, row + 0.4, color=INK, linestyle="--")
        name, value = shortened(run["name"]), format_accuracy(metrics["accuracy"])
        axes.annotate(name, (0, row), xytext=(0, 7), parse_math=False, **beside)
        axes.annotate(value, (1, row), xytext=(0, 7), ha="right", **beside)


def _frame(axes: Axes, runs: list[dict]) -> None:
    """Fit the axis to intervals and chance, widened to whole steps of 5 percent."""
    chances = [run["metrics"]["chance"] for run in runs if run["metrics"]["chance"] is not None]
    ends = [end for run in runs for end in run["metrics"]["accuracy_ci95"]] + chances
    low, high = 100 * min(ends), 100 * max(ends)
    axes.set_xlim(max(5 * ((low - 1) // 5), -1), min(5 * ((high + 1) // 5 + 1), 101))
    axes.set_ylim(len(runs) - 0.55, -0.7)
    label = "accuracy in %, with its 95% interval"
    axes.set_xlabel(label + ("; dashed: chance" if chances else ""))
    axes.set_yticks([])
    plain(axes, left=False)
