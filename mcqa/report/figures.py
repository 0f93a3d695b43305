"""The plots of a report: each takes all runs, for their colours, and those with what it shows.

A subject with few questions has an interval as wide as the plot. So those below `FEWEST` questions
are taken together, unless all are that small, as are the smallest beyond `MOST`.
"""

import io
from collections.abc import Callable

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from mcqa.evaluation.metrics import share
from mcqa.evaluation.numbers import format_accuracy
from mcqa.question import LETTERS
from mcqa.report.drawing import ACCENT, INK, legend, new_figure, plain, shortened, styles, whisker
from mcqa.report.kinds import plot_name, runs_by_kind

# the same runs always give the same bytes: no date, no random id
SETTINGS = {"svg.hashsalt": "mcqa", "svg.fonttype": "none", "font.size": 10}
METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
FEWEST, MOST = 10, 30
ABOVE = {"xytext": (0, 7), "textcoords": "offset points", "color": INK, "in_layout": False}
WIDE = 10  # from how many times the smallest cost on the axis of costs is logarithmic
COSTS = (
    ("questions_per_second", 1, "questions per second"),
    ("peak_memory_bytes", 1e9, "memory while scoring in GB"),
)


def draw_figures(runs: list[dict]) -> dict[str, bytes]:
    """Return what can be drawn of runs (see `write_report`), as SVG by name, in order.

    Of questions of several kinds there are plots of each, whose names begin with the kind.
    """
    drawn = {}
    for kind, own in runs_by_kind(runs).items():
        for name, (key, draw) in FIGURES.items():
            shown = [run for run in own if run["metrics"].get(key) not in (None, {})]
            if shown and (svg := as_svg(draw, own, shown)):
                drawn[plot_name(kind, name)] = svg
    return drawn


def as_svg(draw: Callable[..., Figure | None], *arguments) -> bytes | None:
    """Return what a function draws as SVG, None where it draws nothing."""
    with matplotlib.rc_context(SETTINGS):
        figure, buffer = draw(*arguments), io.BytesIO()
        if figure is None:
            return None
        figure.savefig(buffer, format="svg", transparent=True, metadata=METADATA)
    return buffer.getvalue()


def accuracies(runs: list[dict], shown: list[dict]) -> Figure:
    """Draw a row per run, first on top: name and accuracy above a dot, a whisker and chance."""
    figure, axes = new_figure(0.85 + 0.52 * len(shown))
    beside, ends, chances = axes.get_yaxis_transform(), [], []
    for row, run in enumerate(shown):
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
        axes.annotate(name, (0, row), xycoords=beside, parse_math=False, **ABOVE)
        axes.annotate(value, (1, row), xycoords=beside, ha="right", **ABOVE)
    # intervals and chance fit in, widened to whole steps of 5 percent
    low, high = min(ends + chances), max(ends + chances)
    axes.set_xlim(max(5 * ((low - 1) // 5), -1), min(5 * ((high + 1) // 5 + 1), 101))
    label = "accuracy in %, with its 95% interval"
    label = f"{label}; dashed: chance" if chances else label
    axes.set(ylim=(len(shown) - 0.55, -0.7), yticks=[], xlabel=label)
    plain(axes, left=False)
    return figure


def subject_accuracies(metrics: dict) -> list[dict]:
    """Return `name`, `n`, `value`, `ci95` of subjects, the largest first, small ones together."""
    groups = (metrics.get("per_subject") or {}).items()
    rows = [{"name": name, **group["metrics"]["accuracy"]} for name, group in groups]
    rows.sort(key=lambda row: (-row["n"], row["name"]))
    own = [row for row in rows[:MOST] if row["n"] >= FEWEST] or rows[:MOST]
    pooled = rows[len(own) :]
    if len(pooled) < 2:
        return rows
    right = sum(round(row["value"] * row["n"]) for row in pooled)
    together = share(right, sum(row["n"] for row in pooled))
    return [*own, {"name": f"{len(pooled)} smaller subjects", **together}]


def subjects(runs: list[dict], shown: list[dict]) -> Figure | None:
    """Draw every subject's accuracies as a row, where there are at least two subjects."""
    tables = [subject_accuracies(run["metrics"]) for run in shown]
    longest = max(tables, key=len)
    if len(longest) < 2:
        return None
    step = 0.8 / len(runs)
    figure, axes = new_figure(0.9 + len(longest) * (0.16 + 0.11 * len(runs)))
    for (place, _, color, marker), table in zip(styles(runs, shown), tables, strict=True):
        for row, group in enumerate(table):
            y = row + step * (place - (len(runs) - 1) / 2)
            whisker(axes, 100 * group["value"], y, group["ci95"], color, marker, upright=False)
    for row in range(1, len(longest)):
        axes.axhline(row - 0.5, color=INK, alpha=0.25, linewidth=0.8)
    labels = [f"{shortened(group['name'], 24)} ({group['n']})" for group in longest]
    axes.set_yticks(range(len(longest)), labels, parse_math=False)
    axes.set(xlim=(-1, 101), ylim=(len(longest) - 0.4, -0.6), xlabel="accuracy in %")
    plain(axes, left=False)
    axes.tick_params(axis="y", length=0)
    legend(figure, runs, shown)
    return figure


def reliability(runs: list[dict], shown: list[dict]) -> Figure | None:
    """Draw the bins of the calibration error: how often a run is right that is so sure.

    A panel per run, and a second one for its probabilities after a temperature, where one is known.
    """
    of_runs = []
    for _, run, color, marker in styles(runs, shown):
        metrics, name = run["metrics"], run["name"]
        panels = {shortened(name, 24): metrics["reliability"]["ece"]}
        calibration = metrics.get("calibration") or {"temperature": None}
        if calibration["temperature"] is not None:
            heading = f"{shortened(name, 16)}, T = {calibration['temperature']:.3g}"
            panels[heading] = calibration["after"]["reliability"]["ece"]
        of_runs.append([(*panel, color, marker) for panel in panels.items() if panel[1]])
    of_runs.sort(key=len, reverse=True)  # the pairs first, so that each has a row of its own
    panels = [panel for of_run in of_runs for panel in of_run]
    if not panels:
        return None
    rows = (len(panels) + 1) // 2
    shape = {"nrows": rows, "ncols": 2, "squeeze": False}
    figure, grid = new_figure(0.35 + 2.5 * rows, sharex=True, sharey=True, **shape)
    for axes, (heading, points, color, marker) in zip(grid.flat, panels, strict=False):
        axes.plot([0, 100], [0, 100], color=INK, linestyle="--", linewidth=1)
        for point in points:
            x, y = 100 * point["confidence"], 100 * point["accuracy"]
            whisker(axes, x, y, point["ci95"], color, marker)
        axes.set(xlim=(0, 102), ylim=(0, 102), aspect="equal")
        axes.tick_params(labelbottom=True)
        axes.set_title(heading, fontsize=10, parse_math=False)
        plain(axes)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("mean confidence in %", color=INK, fontsize=10)
    figure.supylabel("right in %", color=INK, fontsize=10)
    return figure


def risk_coverage(runs: list[dict], shown: list[dict]) -> Figure:
    """Draw what share is wrong among the most confident answers, over the share these make."""
    figure, axes = new_figure(3.2)
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


def positions(runs: list[dict], shown: list[dict]) -> Figure:
    """Draw the recall of every gold position, and how often every position is chosen."""
    figure, (above, below) = new_figure(4.2, nrows=2, sharex=True)
    step = 0.6 / len(runs)
    for place, run, color, marker in styles(runs, shown):
        for at in run["metrics"]["positions"]["positions"]:
            x = at["position"] + step * (place - (len(runs) - 1) / 2)
            if at["recall"] is not None:
                whisker(above, x, 100 * at["recall"], at["recall_ci95"], color, marker)
            whisker(below, x, 100 * at["chosen_share"], at["chosen_ci95"], color, marker)
    longest = max((run["metrics"]["positions"]["positions"] for run in shown), key=len)
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


def cost(runs: list[dict], shown: list[dict]) -> Figure | None:
    """Draw accuracy over each cost that two runs at least have, to hold them together."""
    panels = []
    for key, unit, label in COSTS:
        measured = [run for run in shown if run["metrics"].get(key)]
        if len(measured) > 1:
            panels.append((label, measured, [run["metrics"][key] / unit for run in measured]))
    if not panels:
        return None
    figure, grid = new_figure(3, ncols=len(panels), sharey=True, squeeze=False)
    for axes, (label, measured, amounts) in zip(grid.flat, panels, strict=True):
        for (_, run, color, marker), amount in zip(styles(runs, measured), amounts, strict=True):
            accuracy, ci95 = run["metrics"]["accuracy"], run["metrics"]["accuracy_ci95"]
            whisker(axes, amount, 100 * accuracy, ci95, color, marker)
        if max(amounts) > WIDE * min(amounts):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            axes.set_xlim(0, 1.1 * max(amounts))
            axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        plain(axes)
        axes.set_xlabel(label)
    grid[0, 0].set_ylabel("accuracy in %")
    legend(figure, runs, [run for _, measured, _ in panels for run in measured])
    return figure


FIGURES: dict[str, tuple[str, Callable[[list[dict], list[dict]], Figure | None]]] = {
    "accuracy": ("accuracy", accuracies),
    "subjects": ("per_subject", subjects),
    "reliability": ("reliability", reliability),
    "risk-coverage": ("risk_coverage", risk_coverage),
    "positions": ("positions", positions),
    "cost": ("accuracy", cost),
}
