"""The plot of accuracies with their intervals, for the page and for the README.

It is drawn on a transparent ground in greys and a blue that can be read on white and on black;
the page goes one further and draws the greys in its own text colour. The same runs always give
the same bytes: no date, no random id.
"""

import io
import os
import re
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mcqa.errors import ConfigError
from mcqa.files import write_whole
from mcqa.report.numbers import format_accuracy

INK, ACCENT = "#757575", "#2f80c9"
SETTINGS = {"svg.hashsalt": "mcqa", "svg.fonttype": "none", "font.size": 10}
FORMATS = (".svg", ".png")


def accuracy_figure(runs: list[dict], path: str | os.PathLike) -> Path:
    """Write the plot of accuracies as a picture file.

    Args:
        runs: dicts with a `name` and `metrics`, as `write_report` takes them.
        path: where to write; `.svg` or `.png`.

    Returns:
        The path.

    Raises:
        ConfigError: the path ends otherwise, or no run has an accuracy.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"{path}: a figure's file name ends in {' or '.join(FORMATS)}.")
    return write_whole(path, _draw(runs, path.suffix.lower()[1:]))


def inline_svg(runs: list[dict]) -> str:
    """Return the plot as an `<svg>` element for a page, drawn in the page's text colour.

    Raises:
        ConfigError: no run has an accuracy.
    """
    svg = _draw(runs, "svg").decode()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # Inside HTML the namespaces are implied; without them the page holds no address at all.
    return re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)


def _draw(runs: list[dict], format: str) -> bytes:
    runs = [run for run in runs if run["metrics"]["accuracy"] is not None]
    if not runs:
        raise ConfigError("no run has an accuracy to plot; score labelled questions.")
    buffer = io.BytesIO()
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(5, 0.85 + 0.52 * len(runs)), dpi=200, layout="constrained")
        axes = figure.add_subplot()
        _plot(axes, runs)
        _frame(axes, runs)
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type")) if format == "svg" else {}
        figure.savefig(buffer, format=format, transparent=True, metadata=metadata)
    return buffer.getvalue()


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
        name, value = _shortened(run["name"]), format_accuracy(metrics["accuracy"])
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
    axes.set_xlabel(label + ("; dashed: chance" if chances else ""), color=INK)
    axes.set_yticks([])
    axes.tick_params(axis="x", colors=INK)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)


def _shortened(name: str, longest: int = 44) -> str:
    """Return the name, its middle left out where it would run into the number beside it."""
    half = longest // 2 - 1
    return name if len(name) <= longest else f"{name[:half]} … {name[-half:]}"
