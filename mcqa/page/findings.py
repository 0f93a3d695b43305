"""Draw what `mcqa check` says of a data set."""

import streamlit as st

from mcqa.cli.check import summary_rows
from mcqa.page import plain
from mcqa.page.checking import Checked, Found
from mcqa.page.drawing import html


def draw_findings(checked: Checked) -> None:
    """Draw findings with the rows that they point at, then what is in the set."""
    if not checked.findings:
        html(plain.box("Nothing found.", "note"))
    for found in checked.findings:
        _draw(found)
    html(plain.table(["what", "is there"], list(summary_rows(checked.report))))


def _draw(found: Found) -> None:
    told = f"{found.finding} ({found.count:,}): {found.meaning}"
    html(plain.box(told, found.level))
    if found.rows:
        first = "" if found.count == len(found.rows) else f", the first {len(found.rows)}"
        with st.expander(f"Rows{first}", expanded=found.level == "error"):
            html(plain.table(["where", "what stands there"], found.rows))
