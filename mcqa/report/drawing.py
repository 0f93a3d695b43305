"""What all plots share: colours, runs told apart, SVG for a page.

Plots are drawn on a transparent ground in greys and colours that can be read on white and on black.
"""

import re
from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

INK, ACCENT = "#757575", "#2f80c9"
COLORS = (ACCENT, "#d1742a", "#3d9a5f", "#a566c4", "#c9558a", "#8a8433")
MARKERS = "os^DvP"
WIDTH = 5  # inches; a phone shows text of size 10 on this width just large enough to read


def new_figure(height: float, **grid) -> tuple:
    """Return a figure of the width that all plots have, and its axes; see `Figure.subplots`."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(**grid)


def inline(svg: bytes, prefix: str) -> str:
    """Return an `<svg>` for a page, drawn in its text colour, this prefix before all ids."""
    text = svg.decode()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    # inside HTML the namespaces are implied; without them the page holds no address at all
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    return re.sub(r'(\sid="|href="#|url\(#)', rf"\1{prefix}-", text)


def plain(axes: Axes, *, left: bool = True) -> None:
    """Take the box off and draw what is left in ink."""
    axes.tick_params(colors=INK, length=3)
    axes.spines[["right", "top"]].set_visible(False)
    axes.spines["left"].set_visible(left)
    axes.spines[["left", "bottom"]].set_color(INK)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(INK)


def styles(runs: list[dict], shown: list[dict]) -> Iterator[tuple[int, dict, str, str]]:
    """Yield the shown ones of the runs with place, colour and marker, the same in every plot.

    With every round of colours the markers move on by one, so that no two runs look alike.
    """
    for place, run in enumerate(runs):
        if run in shown:
            turn = (place + place // len(COLORS)) % len(MARKERS)
            yield place, run, COLORS[place % len(COLORS)], MARKERS[turn]


def legend(figure: Figure, runs: list[dict], shown: list[dict]) -> None:
    """Name the shown ones of the runs above the plot."""
    handles, names = [], []
    for _, run, color, marker in styles(runs, shown):
        handles.append(Line2D([], [], color=color, marker=marker, linewidth=1.5, markersize=5))
        names.append(shortened(run["name"], 28))
    where = {"loc": "outside upper left", "ncols": min(2, len(names)), "frameon": False}
    drawn = figure.legend(handles, ["run"] * len(names), **where)
    # set afterwards: a legend takes `$` for a formula and leaves out what starts with `_`
    for text, name in zip(drawn.get_texts(), names, strict=True):
        text.set(text=name, color=INK, parse_math=False)


def shortened(name: str, longest: int = 44) -> str:
    """Return the name, its middle left out where it would run into what is beside it."""
    half = longest // 2 - 1
    return name if len(name) <= longest else f"{name[:half]} … {name[-half:]}"


def whisker(
    axes: Axes, x: float, y: float, ci95: list | None, color: str, marker: str, upright: bool = True
) -> None:
    """Draw a point and its interval, which is in shares of 1, the point in percent."""
    if ci95 is not None:
        ends = [100 * end for end in ci95]
        line = ([x, x], ends) if upright else (ends, [y, y])
        axes.plot(*line, color=color, linewidth=1.4, alpha=0.7, solid_capstyle="butt")
    axes.plot([x], [y], marker, color=color, markersize=4.5, clip_on=False)
