"""The report of an evaluation: a self-contained HTML page, Markdown, plots, numbers for people.

Names are imported on first use, so that formatting a number does not load matplotlib.
"""

import importlib

_HOMES = {
    "accuracy_figure": "mcqa.report.plots",
    "draw_figures": "mcqa.report.figures",
    "write_markdown": "mcqa.report.page",
    "write_report": "mcqa.report.page",
}

__all__ = ["accuracy_figure", "draw_figures", "write_markdown", "write_report"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'mcqa.report' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
