"""Draw Data: a file, and what `mcqa check` says of it."""

import streamlit as st

from mcqa.data.formats import NAMES
from mcqa.data.reader import POLICIES
from mcqa.evaluation.numbers import format_bytes
from mcqa.page import plain, uploads
from mcqa.page.checking import Checked, look
from mcqa.page.drawing import errors_in_a_box, html
from mcqa.page.findings import draw_findings
from mcqa.page.sources import Opening


def show(opening: Opening) -> None:
    """Draw the page."""
    upload = upload_field("A file of questions", "data")
    path = st.text_input(
        "Or its path, a Hub data set or bundled", key="path", persist_state="session"
    )
    with st.container(horizontal=True):
        format = st.selectbox("Format", NAMES, key="format")
        unlabelled = st.selectbox(
            "Rows without one right answer", POLICIES, POLICIES.index("keep"), key="unlabelled"
        )
        split = st.text_input("Split, of a Hub data set or bundled", key="split")
    reading = {"format": format, "unlabelled": unlabelled, "split": split or None}
    with errors_in_a_box(), st.spinner("Checking"):
        if upload is not None:
            checked = look_at_upload(upload, **reading)
        elif path:
            checked = look(path, **reading)
        else:
            html(plain.box("Choose a file; it is read on this machine and not kept.", "note"))
            return
        draw_findings(checked)


def upload_field(label: str, key: str):
    """Draw a field for a file of any kind and size: what cannot be read is refused in words."""
    most = format_bytes(uploads.LARGEST)
    return st.file_uploader(f"{label}, up to {most}", key=key, max_upload_size=uploads.ACCEPTED)


def look_at_upload(upload, **reading) -> Checked:
    """Check an upload, which is in a private folder for as long as that takes."""
    uploads.check_size(upload.name, upload.size)
    with uploads.kept(upload.name, upload.getvalue()) as path:
        checked = look(str(path), **reading)
        report = {**checked.report, "data": upload.name}
        findings = [
            found._replace(meaning=uploads.without_folder(found.meaning, path))
            for found in checked.findings
        ]
        return Checked(report, findings)
