"""Draw Train: what to train on what, what speaks against it, and how far it is."""

import streamlit as st

from mcqa.cli.memory import MEANINGS
from mcqa.data import is_bundled
from mcqa.evaluation.numbers import format_bytes
from mcqa.footprint.estimating import estimate
from mcqa.footprint.plan import Plan, Shape
from mcqa.models.embedded import ALIAS
from mcqa.models.recipes.table import DEFAULT, RECIPES
from mcqa.page import charts, job, plain, uploads
from mcqa.page.checking import Checked, look
from mcqa.page.data import look_at_upload, upload_field
from mcqa.page.drawing import errors_in_a_box, html, ink
from mcqa.page.findings import draw_findings
from mcqa.page.job import FORMULATIONS, Job
from mcqa.page.sources import Opening
from mcqa.training.config import TrainingConfig
from mcqa.training.mixture import parse_sources

TYPICAL = {"length": 256, "options": 4, "option_length": 8}  # as `mcqa memory` takes by default
EVERY = 1.0  # seconds between looks at a training that runs


def show(opening: Opening) -> None:
    """Draw the page."""
    started = job.current()
    if started:
        job.tidy(started)
        _draw_job(started)
    if not (started and started.running):
        with errors_in_a_box():
            _form()


def _draw_job(started: Job) -> None:
    """Draw the training that was started last, again and again while it runs."""
    running = started.running

    @st.fragment(run_every=EVERY if running else None)
    def draw() -> None:
        if running and not started.running:
            st.rerun()
        html(plain.heading(f"{started.output} ({_standing(started)})"))
        told = job.printed()
        if known := job.progress_in(told):
            step, steps, left = known
            ends = f", {left}" if started.running else ""
            st.progress(min(step / steps, 1.0), f"step {step} of {steps}{ends}")
        elif started.running:
            html(plain.paragraph("Loading the model and the data."))
        if not started.running and not started.finished and (error := job.error_in(told)):
            html(plain.box(error))
        _controls(started)
        drawn = job.curves(started.output)
        for column, (name, rows) in zip(
            st.columns(max(len(drawn), 1)), drawn.items(), strict=False
        ):
            with column:
                last = rows[-1]
                html(plain.paragraph(f"{name} {last['value']:.3f} at step {last['step']}"))
                st.altair_chart(charts.curve(rows, name, ink()), alt=f"The {name} over the steps")
        with st.expander("What it printed"):
            html(plain.paragraph(told or "nothing yet"))

    draw()


def _standing(started: Job) -> str:
    if started.running:
        return "running"
    return "finished" if started.finished else "stopped"


def _controls(started: Job) -> None:
    """Draw what can be done about it."""
    with errors_in_a_box(), st.container(horizontal=True):
        if started.running and st.button("Stop", help="As Ctrl-C: the last checkpoint is kept"):
            started.stop()
            html(plain.paragraph("Stopping."))
        if started.resumable and st.button("Resume", type="primary"):
            job.resume(started)
            st.rerun()
    if started.finished:
        html(plain.box("The run is in the lists of Ask and of `mcqa evaluate --model`.", "note"))


def _form() -> None:
    """Draw the settings, what is known before a start, and the start."""
    st.html("<h2>A new training</h2>")
    formulation, upload, settings = _settings()
    asked = formulation, upload and upload.file_id, tuple(map(str, settings.items()))
    state = st.session_state
    if st.button("Check data and memory"):
        state["looked"] = None
        with st.spinner("Checking"):
            config = job.checked_settings(settings)
            checked = _check(config, upload)
            state["looked"] = asked, checked, _estimate(formulation, config)
    if not state.get("looked") or state.looked[0] != asked:
        html(plain.box("The training can start once data and memory are checked.", "note"))
        return
    _, checked, memory = state.looked
    draw_findings(checked)
    _draw_memory(memory)
    if checked.errors:
        html(plain.box("The data has errors that would stop the training; see above."))
    elif st.button("Start", type="primary"):
        _start(formulation, settings, upload)


def _settings() -> tuple:
    """Draw the fields, and return the formulation, the upload and the settings."""
    with st.container(horizontal=True):
        formulation = st.selectbox("Formulation", FORMULATIONS, key="formulation")
        model = st.text_input("Model", ALIAS, key="model")
        recipe = st.selectbox("Recipe", list(RECIPES), list(RECIPES).index(DEFAULT), key="recipe")
        name = st.text_input("Name of the run", "from-the-page", key="name")
    upload = upload_field("Training questions", "training")
    with st.container(horizontal=True):
        data = st.text_input(
            "Or a path, a Hub data set or bundled", "bundled", key="source", disabled=bool(upload)
        )
        split = st.text_input("Split, of a Hub data set or bundled", key="train_split")
        validation = st.text_input("Validation questions", key="validation")
        validation_split = st.text_input("Their split", key="validation_split")
    with st.container(horizontal=True):
        limit = st.number_input("Use the first N questions", 1, value=None, key="limit")
        epochs = st.number_input("Epochs", 0.01, value=1.0, key="epochs")
        steps = st.number_input("Or steps", 1, value=None, key="max_steps")
        batch = st.number_input("Questions a step", 1, value=16, key="batch")
        between = st.number_input("Report and save every N steps", 1, value=10, key="between")
    more = st.text_area(
        "Further settings, a line each", key="more", placeholder="learning_rate: 0.001"
    )
    told = validation or validation_split
    given = {
        "model": model,
        "data": upload.name if upload else data,
        "split": split,
        "validation_data": validation,
        "validation_split": validation_split,
        "best_metric": "accuracy" if told else None,
        "recipe": recipe,
        "limit": limit,
        "epochs": epochs,
        "max_steps": steps,
        "batch_size": batch,
        "steps_between": between,
    }
    return formulation, upload, job.settings_of(name, given, more)


def _check(config: TrainingConfig, upload) -> Checked:
    reading = config.reading() | {"unlabelled": config.unlabelled, "limit": config.limit}
    if upload:
        return look_at_upload(upload, **reading)
    sources = [source for source, _ in parse_sources(config.data)]
    split = config.split or ("train" if any(map(is_bundled, sources)) else None)
    return look(sources[0] if len(sources) == 1 else sources, split=split, **reading)


def _estimate(formulation: str, config: TrainingConfig) -> dict:
    shape = Shape(config.batch_size, **TYPICAL)
    return estimate(Plan(formulation.replace("-", "_"), config, shape, lambda line: None))


def _draw_memory(memory: dict) -> None:
    at_peak = memory["at_peak"] | {"total": memory["total"]}
    rows = [
        [part, format_bytes(memory.get(part)), format_bytes(at_peak[part]), meaning]
        for part, meaning in MEANINGS.items()
    ]
    told = f"Memory, estimated at {TYPICAL['length']} tokens and {TYPICAL['options']} options"
    html(plain.table(["part", "size", "at the peak", "what it is"], rows, told))


def _start(formulation: str, settings: dict, upload) -> None:
    path = None
    if upload:
        path = uploads.keep(upload.name, upload.getvalue())
        settings = settings | {"data": str(path)}
    try:
        job.start(formulation, settings, path)
    except Exception:
        if path:
            uploads.remove(path)
        raise
    st.session_state["looked"] = None
    st.rerun()
