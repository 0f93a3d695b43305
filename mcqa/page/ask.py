"""Draw Ask: a question in the making, and beside it what the runs answer."""

from dataclasses import replace

import streamlit as st

from mcqa.kinds import KINDS
from mcqa.models.embedded import ALIAS
from mcqa.page import asking, plain, prompt
from mcqa.page.answers import named
from mcqa.page.asking import Draft
from mcqa.page.drawing import bars, errors_in_a_box, html
from mcqa.page.editor import OWN, edit
from mcqa.page.sources import RUNS, Opening, runs_below, stamp, unique
from mcqa.retrieval import contexts
from mcqa.scoring.scorer import Scorer

BREAK = "\n"


def show(opening: Opening) -> None:
    """Draw the page."""
    left, right = st.columns([2, 3], gap="large")
    with left, errors_in_a_box():
        draft = edit()
    with right, errors_in_a_box():
        if opening.note:
            html(plain.box(opening.note, "note"))
        _answers(draft, opening)


def _answers(draft: Draft, opening: Opening) -> None:
    """Draw the runs' answers side by side."""
    known = unique([*opening.models, *runs_below(RUNS), ALIAS])
    models = st.multiselect(
        "Runs and models",
        known,
        default=opening.models[: asking.SIDE_BY_SIDE],
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
        kind = st.selectbox("What to read before a question", [OWN, *contexts.KINDS], key="kind")
        given["context"] = None if kind == OWN else kind
        given["index"] = st.text_input(
            "Folder of passages for retrieved", key="index", placeholder="as mcqa index wrote it"
        )
    return tuple((name, value) for name, value in given.items() if value)


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
        scorer = asking.load(*key)
    prediction = _asked(key, question, scorer)
    temperature = scorer.temperature_of(question.kind) if calibrated else None
    reply = asking.reply(prediction, temperature)
    shown = reply.prediction
    if reply.abstains(least):
        told = f"Abstains: its confidence of {reply.confidence:.1%} is below {least:.0%}."
        shown = replace(shown, choice=None)
    elif shown.choice is None:
        told = f"No option could be read ({shown.parsed})."
    else:
        sure = "" if reply.confidence is None else f", {reply.confidence:.1%} sure"
        told = f"{named(question.options, shown.choice)}{sure}"
    html(plain.paragraph(told, "finding"), bars(question.options, shown))
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
    shown = reply.prediction
    if shown.expected is not None:
        parts.append(f"expected level {shown.expected:.2f} and median {shown.median}, from 0")
    if KINDS[shown.kind].several and shown.scores:
        threshold = scorer.threshold_of(shown.kind)
        parts.append(f"chosen from a probability of {threshold:.3g} on, before a temperature")
    if reply.temperature is not None:
        parts.append(f"temperature {reply.temperature:.3g}")
    elif calibrated:
        parts.append("no temperature is known for it")
    parts.append(f"{prediction.tokens} tokens")
    if prediction.truncated:
        parts.append(f"{prediction.truncated} tokens cut to fit")
    return ", ".join(parts)


def _seen(scorer: Scorer, question, prediction) -> None:
    """Draw the prompts in tokens, what each token of an option is worth, and the passages."""
    for seen, encoded in prompt.see(scorer, question):
        letters = encoded.question.letters
        if seen.of:
            html(plain.paragraph(f"Asked of option {seen.of} by itself:", "note"))
        shared = "Shared prefix" if seen.continuations else "Prompt"
        html(
            f'<div class="mcqa-prefix"><strong>{shared}, {len(seen.prefix)} tokens, computed '
            f"once</strong>{_tokens(seen.prefix)}</div>",
            *(
                f'<div class="mcqa-continuation"><strong>Option {letter}, {len(tokens)} tokens'
                f"</strong>{_tokens(tokens)}</div>"
                for letter, tokens in zip(letters, seen.continuations, strict=False)
            ),
        )
        values = prompt.token_values(scorer, encoded)
        if values is not None:
            rows = prompt.token_rows(seen, values)
            html(plain.table(["option", "token", "log-likelihood in nats"], rows))
    if prediction.retrieved is not None:
        rows = prompt.passage_rows(scorer, prediction)
        html(plain.table(["passage", "match", "text"], rows, "Passages used as context"))


def _tokens(texts: list[str]) -> str:
    """Return tokens as boxes; a line break is a mark in its box and a break behind it."""
    spans = (
        f"<span>{plain.text(text.replace(BREAK, '⏎'))}</span>{'<br>' * (BREAK in text)}"
        for text in texts
    )
    return f'<div class="mcqa-tokens">{"".join(spans)}</div>'
