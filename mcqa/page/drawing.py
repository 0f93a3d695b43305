"""Draw what several parts of the page have: errors in a red box, options as bars, choices."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import streamlit as st

from mcqa.errors import McqaError
from mcqa.evaluation.numbers import format_accuracy
from mcqa.page import plain
from mcqa.page.answers import places
from mcqa.prediction import Prediction
from mcqa.question import MARKS
from mcqa.report.blocks import Text

STYLE = Path(__file__).with_name("style.css")


def html(*parts: str) -> None:
    """Draw HTML that `plain` made."""
    st.html("".join(parts))


def draw_text(block: Text) -> None:
    """Draw a paragraph of a report."""
    html(plain.paragraph(block.text, "finding" if block.style.startswith("finding") else "note"))


@contextlib.contextmanager
def errors_in_a_box() -> Iterator[None]:
    """Say what went wrong in the words of the command line, in a red box in place of the rest.

    Streamlit ends a script by exceptions of its own, which are no `Exception`.
    """
    try:
        yield
    except McqaError as error:
        html(plain.box(error))
    except (OSError, MemoryError) as error:
        html(plain.box(f"{type(error).__name__}: {error}"))


def ink() -> str:
    """Return the colour of a chart's texts, by whether the page is dark."""
    return "#edebe8" if st.context.theme.type == "dark" else "#2f2d2b"


def bars(options: Sequence[str], answer: Prediction) -> str:
    """Return a question's options as bars, each with its number.

    What is chosen and what is right are named as such, and soft labels told.
    """
    chosen, right, lines = places(answer.choice), places(answer.label), []
    for place, (letter, option) in enumerate(zip(MARKS, options, strict=False)):
        marks = [
            *(["chosen"] if place in chosen else []),
            *(["right answer"] if place in right else []),
            *([f"target {answer.targets[place]:.0%}"] if answer.targets else []),
        ]
        told = f" ({', '.join(marks)})" if marks else ""
        share = answer.probabilities[place] if answer.probabilities else None
        track = ""
        if share is not None:
            bar = f'<div class="mcqa-bar" style="width:{100 * share:.1f}%"></div>'
            track = f'<div class="mcqa-track" aria-hidden="true">{bar}</div>'
        style = ' class="mcqa-chosen"' if place in chosen else ""
        lines.append(
            f'<li{style}><div class="mcqa-line"><span>{plain.text(f"{letter}. {option}{told}")}'
            f"</span><span>{format_accuracy(share)}</span></div>{track}</li>"
        )
    return f'<ul class="mcqa-options">{"".join(lines)}</ul>'
