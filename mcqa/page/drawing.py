"""Draw what several parts of the page have: errors in a red box, options as bars, choices."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import streamlit as st

from mcqa.errors import McqaError
from mcqa.evaluation.numbers import format_accuracy
from mcqa.page import plain

STYLE = Path(__file__).with_name("style.css")


def html(*parts: str) -> None:
    """Draw HTML that `plain` made."""
    st.html("".join(parts))


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


def bars(
    options: Sequence[str],
    letters: Sequence[str],
    probabilities: Sequence[float] | None,
    *,
    choice: int | None,
    label: int | None = None,
) -> str:
    """Return options as bars, each with its number, the chosen and the right one named as such."""
    lines = []
    for place, (letter, option) in enumerate(zip(letters, options, strict=True)):
        marks = [
            *(["chosen"] if place == choice else []),
            *(["right answer"] if place == label else []),
        ]
        told = f" ({', '.join(marks)})" if marks else ""
        share = probabilities[place] if probabilities else None
        track = ""
        if share is not None:
            bar = f'<div class="mcqa-bar" style="width:{100 * share:.1f}%"></div>'
            track = f'<div class="mcqa-track" aria-hidden="true">{bar}</div>'
        chosen = ' class="mcqa-chosen"' if place == choice else ""
        lines.append(
            f'<li{chosen}><div class="mcqa-line"><span>{plain.text(f"{letter}. {option}{told}")}'
            f"</span><span>{format_accuracy(share)}</span></div>{track}</li>"
        )
    return f'<ul class="mcqa-options">{"".join(lines)}</ul>'
