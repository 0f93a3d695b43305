"""The plots of a report, each of them only where the runs have what it shows.

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

# the same runs always give the same bytes: no date, no random id
SETTINGS = {"svg.hashsalt": "mcqa", "svg.fonttype": "none", "font.size": 10}
METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
FEWEST, MOST = 10, 30
WIDE = 10  # from how many times the smallest cost on the axis of costs is logarithmic
COSTS = (
    ("questions_per_second", 1, "questions per second"),
    ("peak_memory_bytes", 1e9, "memory while scoring in GB"),
)


def draw_figures(runs: list[dict]) -> dict[str, bytes]:
    """Return the plots that can be drawn of these runs, as SVG by name, in the order to show them.

    The runs are as `write_report` takes them.
    """
    drawn = {}
    with matplotlib.rc_context(SETTINGS):
        for name, draw in FIGURES.items():
            if figure := draw(runs):
                buffer = io.BytesIO()
                figure.savefig(buffer, format="svg", transparent=True, metadata=METADATA)
                drawn[name] = buffer.getvalue()
    return drawn


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


def subject_accuracies(metrics: dict) -> list[dict]:
    """Return `name`, `n`, `value` and `ci95` of a run's subjects, the largest first.

    Small ones are taken together at last; nothing where questions have no subject.
    """
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


def reliability(runs: list[dict]) -> Figure | None:
    """Draw how often a run is right that is so sure: the bins of the calibration error.

    A panel per run, since the points of two would hide each other; a second one for its
    probabilities after a temperature, where one is known.
    """
    of_runs = []
    for _, run, color, marker in styles(runs, _with(runs, "reliability")):
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
    figure = new_figure(0.35 + 2.5 * rows)
    grid = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (heading, points, color, marker) in zip(grid, panels, strict=False):
        axes.plot([0, 100], [0, 100], color=INK, linestyle="--", linewidth=1)
        for point in points:
            x, y = 100 * point["confidence"], 100 * point["accuracy"]
            whisker(axes, x, y, point["ci95"], color, marker)
        axes.set(xlim=(0, 102), ylim=(0, 102), aspect="equal")
        axes.tick_params(labelbottom=True)
        axes.set_title(heading, fontsize=10, parse_math=False)
        plain(axes)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("mean confidence in %", color=INK, fontsize=10)
    figure.supylabel("right in %", color=INK, fontsize=10)
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
        for (_, run, color, marker), amount in zip(styles(runs, shown), amounts, strict=True):
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
    row[0].set_ylabel("accuracy in %")
    legend(figure, runs, [run for _, shown, _ in panels for run in shown])
    return figure


def _with(runs: list[dict], key: str) -> list[dict]:
    return [run for run in runs if run["metrics"].get(key) is not None]


FIGURES: dict[str, Callable[[list[dict]], Figure | None]] = {
    "accuracy": accuracies,
    "subjects": subjects,
    "reliability": reliability,
    "risk-coverage": risk_coverage,
    "positions": positions,
    "cost": cost,
}
