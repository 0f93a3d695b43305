"""The reliability diagram: of the answers that a run is so sure of, how many are right?

A panel per run, since the points of two would hide each other; a second one for its probabilities
after a temperature, where one is known.
"""

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mcqa.report.drawing import INK, new_figure, plain, shortened, styles, whisker


def reliability(runs: list[dict]) -> Figure | None:
    """Draw the bins of the calibration error (equal widths), for runs that have probabilities."""
    of_runs = [
        [(name, points, color, marker) for name, points in _diagrams(run) if points]
        for _, run, color, marker in styles(runs, runs)
    ]
    of_runs.sort(key=len, reverse=True)  # the pairs first, so that each has a row of its own
    panels = [panel for of_run in of_runs for panel in of_run]
    if not panels:
        return None
    rows = (len(panels) + 1) // 2
    figure = new_figure(0.35 + 2.5 * rows)
    grid = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        _panel(axes, *panel)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("mean confidence in %", color=INK, fontsize=10)
    figure.supylabel("right in %", color=INK, fontsize=10)
    return figure


def _diagrams(run: dict) -> Iterator[tuple[str, list[dict] | None]]:
    """Yield the headings of a run's panels and their points."""
    metrics = run["metrics"]
    yield shortened(run["name"], 24), metrics.get("reliability", {}).get("ece")
    calibration = metrics.get("calibration") or {"temperature": None}
    if calibration["temperature"] is not None:
        heading = f"{shortened(run['name'], 16)}, T = {calibration['temperature']:.3g}"
        yield heading, calibration["after"]["reliability"]["ece"]


def _panel(axes: Axes, heading: str, points: list[dict], color: str, marker: str) -> None:
    axes.plot([0, 100], [0, 100], color=INK, linestyle="--", linewidth=1)
    for point in points:
        x, y = 100 * point["confidence"], 100 * point["accuracy"]
        whisker(axes, x, y, point["ci95"], color, marker)
    axes.set(xlim=(0, 102), ylim=(0, 102), aspect="equal")
    axes.tick_params(labelbottom=True)
    axes.set_title(heading, fontsize=10, parse_math=False)
    plain(axes)
