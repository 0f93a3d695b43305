"""Run a part of the page as streamlit does, without a browser, and read what it drew."""

import html
import re

from streamlit.testing.v1 import AppTest


def script(part, given):
    from mcqa.page import app

    app.part(part, given)


def open_part(part, given=(), query=None):
    """Open `ask`, `compare`, `train` or `data`, and see it draw without an exception."""
    test = AppTest.from_function(script, args=(part, list(map(str, given))), default_timeout=120)
    for name, value in (query or {}).items():
        test.query_params[name] = value
    test.run()
    assert not test.exception, test.exception
    return test


def drawn(test):
    """Return all HTML that was drawn, as one text."""
    return "\n".join(each.proto.body for each in test.get("html"))


def findings(test):
    """Return what stands in large letters."""
    return re.findall(r'<p class="mcqa-finding">(.*?)</p>', drawn(test), re.DOTALL)


def errors(test):
    """Return what stands in red boxes, as it is read."""
    found = re.findall(
        r'<div class="mcqa-box mcqa-error" role="alert"><strong>Error:</strong> (.*?)</div>',
        drawn(test),
        re.DOTALL,
    )
    return list(map(html.unescape, found))


def button(test, label):
    """Return the one button with a label."""
    (found,) = [each for each in test.button if each.label == label]
    return found
