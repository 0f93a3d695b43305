"""Draw a study in Compare: its verdicts, its arms as charts, and its cells' answers."""

from pathlib import Path

import streamlit as st

from mcqa.page import charts, plain, studies
from mcqa.page.drawing import draw_text, html, ink
from mcqa.page.explorer import explore
from mcqa.page.exploring import Table
from mcqa.page.sources import evaluation_stamp, unique
from mcqa.page.studies import Study


@st.cache_resource(max_entries=4, show_spinner=False)
def _opened_study(folder: str, stamp: tuple[float, ...]) -> Study:
    return studies.read_study(Path(folder))


@st.cache_resource(max_entries=4, show_spinner=False)
def _answers_of_study(folder: str, data: str, stamp: tuple[float, ...]) -> tuple[Table, str]:
    record, note = studies.record_of(_opened_study(folder, stamp), data)
    return Table(record), note


def show_study(folder: str) -> None:
    """Draw a study: its verdicts, its arms, and its cells' answers to one data set."""
    stamp = evaluation_stamp(folder)
    with st.spinner("Reading"):
        study = _opened_study(folder, stamp)
    html(plain.heading(study.grid.title))
    for block in studies.first_screen(study):
        draw_text(block)
    for about, rows in studies.arm_rows(study).items():
        html(plain.paragraph(f"Accuracy on {about}, by training questions", "note"))
        names = unique(row["run"] for row in rows)
        said = "Accuracy of each arm over its seeds, with intervals, by training questions"
        st.altair_chart(charts.grouped(rows, "size", names, ink()), alt=said)
        html(plain.table(["arm", "accuracy", "of each seed"], studies.arm_table(rows)))
    if not study.data:
        return
    data = study.data[0]
    if len(study.data) > 1:
        data = st.selectbox("Questions of", study.data, key=f"data {folder}")
    with st.spinner("Reading"):
        table, note = _answers_of_study(folder, data, stamp)
    explore(f"{folder} {data}", table, note)
