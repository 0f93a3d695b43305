"""The page itself: `mcqa page`, or `streamlit run mcqa/page/app.py -- RUN ...`."""

import sys
from collections.abc import Sequence

import streamlit as st

from mcqa.page import plain
from mcqa.page.drawing import STYLE, errors_in_a_box, html


def main(given: Sequence[str]) -> None:
    """Draw the part of the page that is chosen; what is given are runs, models and evaluations.

    Each part is imported when it is drawn: Ask and Train need torch, which takes seconds.
    """
    st.set_page_config(page_title="mcqa", layout="wide")
    st.html(STYLE)
    parts = [
        st.Page(lambda: part("ask", given), title="Ask", url_path="ask", default=True),
        st.Page(lambda: part("compare", given), title="Compare", url_path="compare"),
        st.Page(lambda: part("train", given), title="Train", url_path="train"),
        st.Page(lambda: part("data", given), title="Data", url_path="data"),
    ]
    st.navigation(parts, position="top").run()


def part(name: str, given: Sequence[str]) -> None:
    """Draw one part of the page, `ask`, `compare`, `train` or `data`, under its heading."""
    html(f"<h1>{plain.text(name.capitalize())}</h1>")
    with errors_in_a_box():
        with st.spinner("Starting"):
            from mcqa.page.sources import opening

            found = opening(given)
            if name == "ask":
                from mcqa.page.ask import show
            elif name == "compare":
                from mcqa.page.compare import show
            elif name == "train":
                from mcqa.page.train import show
            else:
                from mcqa.page.data import show
        show(found)


if __name__ == "__main__":
    main(sys.argv[1:])
