"""Draw Ask: a question in the making, and beside it what the runs answer."""

import streamlit as st

from mcqa.data import load_questions
from mcqa.models.embedded import ALIAS
from mcqa.page import asking, plain, prompt
from mcqa.page.asking import Draft
from mcqa.page.drawing import bars, errors_in_a_box, html
from mcqa.page.sources import RUNS, Opening, runs_below, stamp, unique
from mcqa.prompting.prompts import TEMPLATES
from mcqa.question import LETTERS
from mcqa.retrieval.contexts import KINDS
from mcqa.scoring.loading import load_scorer
from mcqa.scoring.scorer import Scorer

OWN = "the run's own"
SIDE_BY_SIDE = 3  # runs that are opened at once; more can be chosen


def show(opening: Opening) -> None:
    """Draw the page."""
    left, right = st.columns([2, 3], gap="large")
    with left, errors_in_a_box():
        draft = _editor()
    with right, errors_in_a_box():
        if opening.note:
            html(plain.box(opening.note, "note"))
        _answers(draft, opening)


def _editor() -> Draft:
    """Draw the fields of the question, and return what stands in them."""
    state = st.session_state
    if "stem" not in state:  # the first time, and after another part of the page was looked at
        draft = state.get("draft") or Draft.from_query(_query()) or Draft.of(_bundled()[0])
        _fill(draft)
    _examples()
    st.text_area("Question", key="stem", height="content")
    st.html("<strong>Options</strong>")
    for at, place in enumerate(state.places):
        _option_row(at, place)
    full = len(state.places) >= len(LETTERS)
    st.button("Add an option", on_click=_add, disabled=full)
    st.text_area("Context", key="context", height="content")
    st.selectbox("Template", [OWN, *TEMPLATES], key="template")
    draft = Draft(
        state.stem,
        tuple(state[f"option-{place}"] for place in state.places),
        state.context,
        None if state.template == OWN else state.template,
        state.right,
    )
    state["draft"] = draft
    query = draft.query()
    if _query() != {
        name: [part] if isinstance(part, str) else part for name, part in query.items()
    }:
        st.query_params.from_dict(query)
    with st.expander("Link to this question"):
        st.code(_link(draft), language=None, wrap_lines=True)
    return draft


def _query() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _link(draft: Draft) -> str:
    from urllib.parse import urlencode

    place = (st.context.url or "").partition("?")[0]
    return f"{place}?{urlencode(draft.query(), doseq=True)}"


def _fill(draft: Draft) -> None:
    """Put a question into the fields."""
    state = st.session_state
    state["stem"], state["context"], state["right"] = draft.stem, draft.context, draft.right
    state["template"] = draft.template if draft.template in TEMPLATES else OWN
    state["places"] = list(range(len(draft.options)))
    for place, option in zip(state.places, draft.options, strict=True):
        state[f"option-{place}"] = option


def _option_row(at: int, place: int) -> None:
    letter = LETTERS[at]
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
    st.session_state[f"option-{new}"] = f"option {LETTERS[len(places)]}"
    places.append(new)


@st.cache_data(show_spinner=False)
def _bundled():
    return load_questions("bundled")


def _examples() -> None:
    """Draw the choice of an example."""
    questions = _bundled()
    with st.expander("Examples"):
        subject = st.selectbox("Subject", sorted({q.subject for q in questions}), key="subject")
        of_subject = {q.stem: q for q in questions if q.subject == subject}
        stem = st.selectbox("Example", list(of_subject), key="example")
        fill = Draft.of(of_subject[stem])
        st.button("Take this example", on_click=_fill, args=(fill,))


def _answers(draft: Draft, opening: Opening) -> None:
    """Draw the runs' answers side by side."""
    known = unique([*opening.models, *runs_below(RUNS), ALIAS])
    models = st.multiselect(
        "Runs and models",
        known,
        default=opening.models[:SIDE_BY_SIDE],
        key="models",
        accept_new_options=True,
        persist_state="session",
        placeholder="a run folder, a model folder or a Hub id",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        calibrated = st.toggle("Temperature", key="calibrated", persist_state="session")
        least = st.slider(
            "Abstain below a confidence of", 0, 100, 0, format="%d%%", key="least", width="stretch"
        )
        if st.button("Shuffle", type="primary", help="Ask in all orders of the options"):
            st.session_state["shuffled"], st.session_state["in_all_orders"] = draft, {}
    settings = _settings(draft)
    if not models:
        html(plain.box("Choose a run or a model above.", "note"))
        return
    question = draft.question()
    for model, column in zip(models, st.columns(len(models), gap="medium"), strict=True):
        with column, st.container(border=True):
            html(plain.heading(model))
            with errors_in_a_box():
                _answer(model, settings, question, calibrated, least / 100, draft)


def _settings(draft: Draft) -> tuple:
    """Draw what is seldom set, and return the arguments of `load_scorer`, as pairs."""
    given = {"template": draft.template}
    with st.expander("Scorer and passages"):
        given["scorer"] = st.text_input(
            "Scorer", key="scorer", placeholder="the default, or text, text-mean, letter, ..."
        )
        kind = st.selectbox("What to read before a question", [OWN, *KINDS], key="kind")
        given["context"] = None if kind == OWN else kind
        given["index"] = st.text_input(
            "Folder of passages for retrieved", key="index", placeholder="as mcqa index wrote it"
        )
    return tuple((name, value) for name, value in given.items() if value)


@st.cache_resource(max_entries=8, show_spinner=False)
def _scorer(model: str, settings: tuple, stamp: float) -> Scorer:
    return load_scorer(model, **dict(settings))


@st.cache_data(max_entries=500, show_spinner=False)
def _asked(key: tuple, question, _scorer: Scorer):
    return asking.ask(_scorer, question)


def _in_all_orders(key: tuple, question, scorer: Scorer):
    """Return the answers in all orders, kept until Shuffle is pressed again."""
    known = st.session_state["in_all_orders"]
    if (key, question) in known:
        return known[key, question]
    count, done = asking.orders_of(question).scorings, 0
    bar = st.progress(0.0, "Asking in all orders")

    def advance(more: int) -> None:
        nonlocal done
        done += more
        bar.progress(done / count, f"Asked in {done} of {count} orders")

    known[key, question] = asking.shuffle(scorer, question, advance)
    bar.empty()
    return known[key, question]


def _answer(model, settings, question, calibrated, least, draft) -> None:
    key = model, settings, stamp(model)
    with st.spinner("Loading"):
        scorer = _scorer(*key)
    prediction = _asked(key, question, scorer)
    reply = asking.reply(prediction, scorer.temperature if calibrated else None)
    shown = reply.prediction
    if reply.abstains(least):
        html(
            plain.paragraph(
                f"Abstains: its confidence of {reply.confidence:.1%} is below {least:.0%}.",
                "finding",
            )
        )
    elif shown.choice is None:
        html(plain.paragraph(f"No option could be read ({shown.parsed}).", "finding"))
    else:
        sure = "" if reply.confidence is None else f", {reply.confidence:.1%} sure"
        html(plain.paragraph(f"{question.options[shown.choice]}{sure}", "finding"))
    chosen = None if reply.abstains(least) else shown.choice
    marks = {"choice": chosen, "label": question.label}
    html(bars(question.options, question.letters, shown.probabilities, **marks))
    if shown.text is not None:
        html(plain.paragraph(f"It wrote: {shown.text}"))
    html(plain.paragraph(_about(scorer, prediction, reply, calibrated), "about"))
    if st.session_state.get("shuffled") == draft:
        answers = _in_all_orders(key, question, scorer)
        html(plain.paragraph(asking.flip_sentence(answers), "finding"))
        with st.expander("All orders"):
            rows = asking.shuffle_rows(answers, question)
            html(plain.table(["order", "chosen", "compared with the first"], rows))
    if st.toggle("What the model sees", key=f"seen-{model}"):
        _seen(scorer, question, prediction)


def _about(scorer: Scorer, prediction, reply, calibrated: bool) -> str:
    """Say how the answer came about; nothing of it is from data."""
    parts = [f"scorer {prediction.scorer}", f"template {scorer.template}"]
    if reply.temperature is not None:
        parts.append(f"temperature {reply.temperature:.3g}")
    elif calibrated:
        parts.append("no temperature is known for it")
    parts.append(f"{prediction.tokens} tokens")
    if prediction.truncated:
        parts.append(f"{prediction.truncated} tokens cut to fit")
    return ", ".join(parts)


def _seen(scorer: Scorer, question, prediction) -> None:
    """Draw the prompt in tokens, what each token of an option is worth, and the passages."""
    seen, encoded = prompt.see(scorer, question)
    html(
        f'<div class="mcqa-prefix"><strong>Shared prefix, {len(seen.prefix)} tokens, computed once'
        f"</strong>{_tokens(seen.prefix)}</div>",
        *(
            f'<div class="mcqa-continuation"><strong>Option {letter}, {len(tokens)} tokens</strong>'
            f"{_tokens(tokens)}</div>"
            for letter, tokens in zip(question.letters, seen.continuations, strict=True)
        ),
    )
    values = prompt.token_values(scorer, encoded)
    if values is not None:
        rows = prompt.token_rows(seen, values, question)
        html(plain.table(["option", "token", "log-likelihood in nats"], rows))
    if prediction.retrieved is not None:
        rows = prompt.passage_rows(scorer, prediction)
        html(plain.table(["passage", "match", "text"], rows, "Passages used as context"))


def _tokens(texts: list[str]) -> str:
    spans = (f"<span>{plain.text(text)}</span>" for text in texts)
    return f'<div class="mcqa-tokens">{"".join(spans)}</div>'
