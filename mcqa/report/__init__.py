"""The report of a comparison: one self-contained HTML page, its plot, numbers for people.

Names are imported on first use, so that formatting a number does not load matplotlib.
"""

import importlib

_HOMES = {"accuracy_figure": "mcqa.report.plots", "write_report": "mcqa.report.page"}

__all__ = ["accuracy_figure", "write_report"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'mcqa.report' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
