"""Charts that tell n and the interval of what is pointed at; each has its numbers in text too.

`ink` is the colour of their texts, which streamlit's own theme leaves too faint to read.
"""

from typing import TypeVar

import altair as alt

ACCENT = "#2f74d0"  # on white and on the dark ground of the page at least 3:1
SERIES = ("#2f74d0", "#c65a00", "#2c8a57", "#9b5de5", "#8a7a12", "#c53948")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
Any = TypeVar("Any", alt.Chart, alt.LayerChart)
PERCENT = alt.Axis(format="%", tickCount=10)
_ROW = 44  # pixels
_PERCENT = ".1%"


def accuracies(rows: list[dict], ink: str) -> alt.LayerChart:
    """Return a row per run: a dot, a whisker of its interval, a tick where chance is."""
    base = alt.Chart(alt.Data(values=_with_interval(rows))).encode(
        y=alt.Y("run:N", sort=None, title=None, axis=alt.Axis(labelLimit=160)),
        tooltip=_tooltip("run"),
    )
    x = alt.X("accuracy:Q", title="accuracy, with its 95% interval", axis=PERCENT)
    whisker = base.mark_rule(strokeWidth=3, color=ACCENT).encode(
        x=alt.X("low:Q", title=None, scale=alt.Scale(domain=[0, 1])), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=120, color=ACCENT, opacity=1).encode(x=x)
    chance = base.mark_tick(color="gray", thickness=2, size=22).encode(x="chance:Q")
    return _inked((whisker + chance + dots).properties(height=_ROW * len(rows) + 30), ink)


def grouped(rows: list[dict], group: str, names: list[str], ink: str) -> alt.LayerChart:
    """Return the accuracies of every run in every group, with their intervals.

    Args:
        rows: with `run`, the group, `accuracy`, `low`, `high` (both None where there is no
            interval) and `n`; where runs are of several seeds, also `seeds`.
        group: the field that names a row's group, such as its subject.
        names: of the runs; those beyond the sixth are left out.
    """
    shown = names[: len(SERIES)]
    rows = [row for row in rows if row["run"] in shown]
    scale = alt.Scale(domain=shown, range=SERIES[: len(shown)])
    shapes = alt.Scale(domain=shown, range=SHAPES[: len(shown)])
    more = ["seeds"] if rows and "seeds" in rows[0] else []
    base = alt.Chart(alt.Data(values=_with_interval(rows))).encode(
        y=alt.Y(f"{group}:N", sort=None, title=None, axis=alt.Axis(labelLimit=160)),
        yOffset=alt.YOffset("run:N", sort=shown),
        color=alt.Color("run:N", scale=scale, title=None, legend=alt.Legend(orient="top")),
        tooltip=_tooltip(group, "run", *more),
    )
    whisker = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title="accuracy", axis=PERCENT, scale=alt.Scale(zero=False)), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(
        x="accuracy:Q", shape=alt.Shape("run:N", scale=shapes, title=None)
    )
    return _inked((whisker + dots).properties(height=alt.Step(max(10, 26 // len(shown)))), ink)


def curve(rows: list[dict], name: str, ink: str) -> alt.Chart:
    """Return one quantity over the steps of a training."""
    chart = alt.Chart(alt.Data(values=rows)).mark_line(point=True, color=ACCENT)
    return _inked(
        chart.encode(
            x=alt.X("step:Q", title="step", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("value:Q", title=name, scale=alt.Scale(zero=False)),
            tooltip=[alt.Tooltip("step:Q"), alt.Tooltip("value:Q", title=name, format=".3f")],
        ).properties(height=220),
        ink,
    )


def _inked(chart: Any, ink: str) -> Any:
    axis = chart.configure_axis(labelColor=ink, titleColor=ink, labelFontSize=13, titleFontSize=13)
    return axis.configure_legend(labelColor=ink, titleColor=ink, labelFontSize=13)


def _tooltip(*names: str) -> list[alt.Tooltip]:
    return [
        *(alt.Tooltip(f"{name}:N") for name in names),
        alt.Tooltip("accuracy:Q", format=_PERCENT),
        alt.Tooltip("interval:N", title="95% interval"),
        alt.Tooltip("n:Q"),
    ]


def _with_interval(rows: list[dict]) -> list[dict]:
    return [row | {"interval": _interval(row["low"], row["high"])} for row in rows]


def _interval(low: float | None, high: float | None) -> str:
    return "not known" if low is None else f"{100 * low:.1f} to {100 * high:.1f}%"
