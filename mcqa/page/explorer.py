"""Draw the questions of an evaluation: filters, a list, and the one that is open."""

import streamlit as st

from mcqa.page import exploring, plain
from mcqa.page.answers import verdict
from mcqa.page.drawing import bars, errors_in_a_box, html
from mcqa.page.exploring import MARKS, OUTCOMES, SORTS, Filter, Table
from mcqa.page.sources import unique

LISTED = 10  # questions at once


def explore(folder: str, table: Table, note: str = "") -> None:
    """Draw an evaluation's questions, below what there is to say of them."""
    html("<h2>Questions</h2>", plain.box(note, "note") if note else "")
    _explorer(folder, table)


@st.fragment
def _explorer(folder: str, table: Table) -> None:
    """Draw filters, the list, and the question that is open; only this part is drawn again."""
    with errors_in_a_box():
        wanted = _filter(folder, table)
        places = table.find(wanted)
        state = st.session_state
        if state.get("explored") != (folder, wanted):
            state["explored"], state["at"] = (folder, wanted), 0
        html(plain.paragraph(f"{len(places):,} of {len(table.ids):,} questions", "finding"))
        if not len(places):
            return
        left, right = st.columns([2, 3], gap="large")
        with left:
            _list(table, places, wanted)
        with right:
            _steps(len(places))
            _question(table, int(places[state.at]), wanted)


def _filter(folder: str, table: Table) -> Filter:
    names = list(table.runs)
    first, second = exploring.choose(table.record)
    told = {"all": "all", "both": "both are right", "neither": "neither is right"}
    with st.container(horizontal=True):
        a = st.selectbox("A", names, names.index(first), key=f"a {folder}")
        b = st.selectbox("B", names, names.index(second), key=f"b {folder}")
        outcome = st.selectbox(
            "Right",
            OUTCOMES,
            key="outcome",
            format_func=lambda outcome: told.get(outcome, f"{outcome} is right"),
        )
        sort = st.selectbox("Sorted by", SORTS, key="sort")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        subjects = sorted({subject for subject in table.subjects if subject})
        kinds = sorted(set(table.kinds))
        of = st.multiselect("Kinds", kinds, key=f"kinds {folder}") if len(kinds) > 1 else ()
        chosen = st.multiselect("Subjects", subjects, key=f"subjects {folder}")
        text = st.text_input("Text", key="text", type="search", placeholder="in stem or option")
        marks = st.pills("Only", MARKS, selection_mode="multi", key="marks")
    return Filter(a, b, outcome, tuple(marks), tuple(of), tuple(chosen), text, sort)


def _list(table: Table, places, wanted: Filter) -> None:
    """Draw the questions around the open one, each a button that opens it, and the way to a file.

    A grid of all of them would be no shorter to read, and not to be used by keyboard.
    """

    def open_it(at: int) -> None:
        st.session_state["at"] = at

    at = st.session_state.at
    start = at - at % LISTED
    for row, line in enumerate(table.lines(places[start : start + LISTED], wanted.a, wanted.b)):
        number = start + row
        st.button(
            plain.in_markdown(f"{number + 1}. {line}"),
            key=f"row-{row}",
            type="primary" if number == at else "secondary",
            on_click=open_it,
            args=(number,),
            width="stretch",
            wrap=True,
        )
    st.download_button(
        "The selection as CSV",
        lambda: table.csv(places, _names(wanted)),
        file_name="selection.csv",
        mime="text/csv",
    )


def _names(wanted: Filter) -> list[str]:
    """Return the two runs that are looked at, once where they are one."""
    return unique([wanted.a, wanted.b])


def _steps(count: int) -> None:
    """Draw how to go on, by button, by key and by number."""

    def go(by: int) -> None:
        st.session_state["at"] = exploring.step(st.session_state.at, by, count)

    def jump() -> None:
        st.session_state["at"] = exploring.step(st.session_state.number - 1, 0, count)

    st.session_state["number"] = st.session_state.at + 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button("Previous", shortcut="P", on_click=go, args=(-1,))
        st.button("Next", shortcut="N", on_click=go, args=(1,))
        st.number_input(f"of {count:,}", 1, count, key="number", on_change=jump, width=140)


def _question(table: Table, place: int, wanted: Filter) -> None:
    id = table.ids[place]
    question = table.questions.get(id)
    answers = {name: table.runs[name].predictions[place] for name in _names(wanted)}
    about = [id, *([question.subject] if question and question.subject else [])]
    html(plain.paragraph(", ".join(about), "note"))
    if question and question.context:
        html(plain.paragraph(question.context))
    html(plain.paragraph(question.stem if question else "(text not known)", "finding"))
    options = exploring.options_of(question, answers)
    for column, (name, answer) in zip(st.columns(len(answers)), answers.items(), strict=True):
        with column, st.container(border=True):
            html(
                plain.heading(name),
                plain.paragraph(verdict(answer), "about"),
                bars(options, answer),
                plain.paragraph(answer.text) if answer.text is not None else "",
            )
