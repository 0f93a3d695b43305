"""Draw the fields of a question in the making: its kind, texts, options, template, and a link."""

from dataclasses import replace
from urllib.parse import urlencode

import streamlit as st

from mcqa.data import BUNDLED_BY_KIND, load_questions
from mcqa.kinds import KINDS
from mcqa.page import asking
from mcqa.page.asking import Draft
from mcqa.prompting.prompts import TEMPLATES
from mcqa.question import MARKS, MOST_OPTIONS

OWN = "the run's own"


def edit() -> Draft:
    """Draw the fields of the question, and return what stands in them."""
    state = st.session_state
    if "stem" not in state:  # the first time, and after another part of the page was looked at
        _fill(state.get("draft") or Draft.from_query(_query()) or Draft.of(_bundled("choice")[0]))
    _examples()
    st.selectbox("Kind of question", list(KINDS), key="question_kind", on_change=_turn)
    st.text_area("Question", key="stem", height="content")
    kind = KINDS[state.question_kind]
    st.html(f"<strong>Options</strong>: {kind.description}")
    for at, place in enumerate(state.places):
        _option_row(at, place)
    most = len(kind.options) or MOST_OPTIONS
    st.button("Add an option", on_click=_add, disabled=len(state.places) >= most)
    st.text_area("Context", key="context", height="content")
    st.selectbox("Template", [OWN, *TEMPLATES], key="template")
    draft = state["draft"] = _read()
    query = draft.query()
    if _query() != {
        name: [part] if isinstance(part, str) else part for name, part in query.items()
    }:
        st.query_params.from_dict(query)
    with st.expander("Link to this question"):
        place = (st.context.url or "").partition("?")[0]
        link = f"{place}?{urlencode(query, doseq=True)}"
        st.code(link, language=None, wrap_lines=True)
    return draft


def _query() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _read() -> Draft:
    """Return what stands in the fields."""
    state = st.session_state
    return Draft(
        state.stem,
        tuple(state[f"option-{place}"] for place in state.places),
        state.context,
        None if state.template == OWN else state.template,
        state.question_kind,
        state.right,
    )


def _fill(draft: Draft) -> None:
    """Put a question into the fields."""
    state = st.session_state
    state["stem"], state["context"], state["right"] = draft.stem, draft.context, draft.right
    state["template"] = draft.template if draft.template in TEMPLATES else OWN
    state["question_kind"] = draft.kind
    state["places"] = list(range(len(draft.options)))
    for place, option in zip(state.places, draft.options, strict=True):
        state[f"option-{place}"] = option


def _turn() -> None:
    """Make it a question of the kind that was chosen."""
    now, before = _read(), st.session_state["draft"].kind
    _fill(replace(now, kind=before).as_kind(now.kind))


def _option_row(at: int, place: int) -> None:
    letter = MARKS[at]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xxsmall"):
        st.text_input(f"Option {letter}", key=f"option-{place}", width="stretch")
        last = len(st.session_state.places) - 1
        for name, icon, off, change, what in (
            ("up", "↑", at == 0, _move, (at, -1)),
            ("down", "↓", at == last, _move, (at, 1)),
            ("remove", "×", last < 2, _remove, (at,)),
        ):
            st.button(
                icon,
                key=f"{name}-{place}",
                help=f"{name} option {letter}",
                disabled=off,
                on_click=change,
                args=what,
            )


def _move(at: int, by: int) -> None:
    st.session_state["places"] = asking.moved(st.session_state.places, at, by)


def _remove(at: int) -> None:
    st.session_state.places.pop(at)


def _add() -> None:
    places = st.session_state.places
    new = max(places) + 1
    st.session_state[f"option-{new}"] = f"option {MARKS[len(places)]}"
    places.append(new)


@st.cache_data(show_spinner=False)
def _bundled(kind: str):
    return load_questions(BUNDLED_BY_KIND[kind])


def _examples() -> None:
    """Draw the choice of an example."""
    with st.expander("Examples"):
        kind = st.selectbox("Kind of example", list(BUNDLED_BY_KIND), key="example_kind")
        questions = _bundled(kind)
        subjects = sorted({q.subject for q in questions})
        subject = st.selectbox("Subject", subjects, key=f"subject {kind}")
        of_subject = {q.stem: q for q in questions if q.subject == subject}
        stem = st.selectbox("Example", list(of_subject), key=f"example {kind}")
        fill = Draft.of(of_subject[stem])
        st.button("Take this example", on_click=_fill, args=(fill,))
