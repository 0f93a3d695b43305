"""The reliability diagram: of the answers that a run is so sure of, how many are right?

A panel per run, since the points of two would hide each other.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mcqa.report.drawing import INK, new_figure, plain, shortened, styles, whisker


def reliability(runs: list[dict]) -> Figure | None:
    """Draw the bins of the calibration error (equal widths), for runs that have probabilities."""
    panels = [
        (run, color, marker)
        for _, run, color, marker in styles(runs)
        if run["metrics"].get("reliability", {}).get("ece")
    ]
    if not panels:
        return None
    rows = (len(panels) + 1) // 2
    figure = new_figure(0.35 + 2.5 * rows)
    grid = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (run, color, marker) in zip(grid, panels, strict=False):
        _panel(axes, run, color, marker)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("mean confidence in %", color=INK, fontsize=10)
    figure.supylabel("right in %", color=INK, fontsize=10)
    return figure


def _panel(axes: Axes, run: dict, color: str, marker: str) -> None:
    axes.plot([0, 100], [0, 100], color=INK, linestyle="--", linewidth=1)
    points = run["metrics"]["reliability"]["ece"]
    for point in points:
        x, y = 100 * point["confidence"], 100 * point["accuracy"]
        whisker(axes, x, y, point["ci95"], color, marker, upright=True)
    axes.set(xlim=(0, 102), ylim=(0, 102), aspect="equal")
    axes.tick_params(labelbottom=True)
    axes.set_title(shortened(run["name"], 24), fontsize=10, parse_math=False)
    plain(axes)
