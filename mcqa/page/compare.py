"""Draw Compare: what an evaluation or a study says first; its questions are drawn by `explorer`."""

from pathlib import Path
from typing import NamedTuple

import streamlit as st

from mcqa.evaluating.folder import RECORD, read_record
from mcqa.page import charts, plain
from mcqa.page.drawing import draw_text, html, ink
from mcqa.page.explorer import explore
from mcqa.page.exploring import Table
from mcqa.page.first_screen import accuracy_rows, first_screen, read_runs, subject_rows
from mcqa.page.sources import (
    RUNS,
    Opening,
    evaluation_stamp,
    evaluations_below,
    is_study,
    unique,
)


class Opened(NamedTuple):
    """Hold an evaluation, once read."""

    table: Table
    runs: list[dict]
    blocks: list


def show(opening: Opening) -> None:
    """Draw the page."""
    known = unique([*opening.evaluations, *evaluations_below(RUNS)])
    folder = st.selectbox(
        "Evaluation or study",
        known,
        key="evaluation",
        accept_new_options=True,
        persist_state="session",
        placeholder="a folder that mcqa evaluate, mcqa study or mcqa demo wrote",
    )
    if not folder:
        note = "Nothing here yet: `mcqa evaluate`, `mcqa study` and `mcqa demo` write some."
        html(plain.box(note, "note"))
        return
    place = Path(folder)
    alone = (place / RECORD).is_file() or is_study(place)
    if not alone and (below := evaluations_below(place)):
        folder = st.selectbox("Part of it", below, key="part")
        place = Path(folder)
    if is_study(place):
        from mcqa.page.compare_study import show_study  # it needs torch

        show_study(folder)
        return
    with st.spinner("Reading"):
        opened = _opened(folder, evaluation_stamp(folder))
    _first(opened)
    explore(folder, opened.table)


@st.cache_resource(max_entries=4, show_spinner=False)
def _opened(folder: str, stamp: tuple[float, ...]) -> Opened:
    record = read_record(Path(folder))
    runs = read_runs(record)
    return Opened(Table(record), runs, list(first_screen(Path(folder), runs)))


def _first(opened: Opened) -> None:
    """Draw the first screen of an evaluation's report, with charts that tell what is under them."""
    html(plain.heading(opened.table.record.title))
    accuracies = accuracy_rows(opened.runs)
    for block in opened.blocks:
        if block.kind == "text":
            draw_text(block)
        elif block.kind == "table":
            html(plain.table(block.columns, block.rows, block.caption))
        elif rows := accuracies.get(block.name):
            html(plain.paragraph(block.description, "note"))
            st.altair_chart(charts.accuracies(rows, ink()), alt=block.description)
    for kind, rows in subject_rows(opened.runs).items():
        if len({row["subject"] for row in rows}) > 1:
            with st.expander(f"Accuracy per subject{f' ({kind})' if kind else ''}"):
                names = [run["name"] for run in opened.runs]
                st.altair_chart(
                    charts.grouped(rows, "subject", names, ink()),
                    alt="Accuracy of each run per subject, with intervals",
                )
