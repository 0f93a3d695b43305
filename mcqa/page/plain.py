"""Texts from data as HTML that is nothing but text.

Streamlit reads its labels and texts as Markdown, in which a question can be a link, a picture or
mathematics. So whatever comes from data is drawn through here, or by what takes plain text.
"""

import re
from collections.abc import Sequence
from html import escape

JOINER = "\u2060"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def text(value: object) -> str:
    """Return a text as HTML.

    >>> text("<b>5 & 6</b>")
    '&lt;b&gt;5 &amp; 6&lt;/b&gt;'
    """
    return escape(str(value))


def in_markdown(value: object) -> str:
    """Return a text as Markdown, for labels that are read as such; it is shown on one line.

    A backslash takes a mark's meaning in Markdown. What streamlit replaces after that, as `:smile:`
    and `->`, is broken by a word joiner, which is not to be seen.
    """
    return _PUNCTUATION.sub(rf"\\\1{JOINER}", " ".join(str(value).split()))


def paragraph(value: object, style: str = "text") -> str:
    """Return a paragraph that keeps its line breaks."""
    return f'<p class="mcqa-{style}">{text(value)}</p>'


def heading(value: object) -> str:
    """Return a heading of the third level."""
    return f'<h3 class="mcqa-heading">{text(value)}</h3>'


def box(value: object, level: str = "error") -> str:
    """Return a box that is read out at once, `error` (red), `warning` or `note`.

    Its first word says which, so that nobody depends on the colour.
    """
    role = "alert" if level == "error" else "status"
    word = f"<strong>{level.capitalize()}:</strong> " if level != "note" else ""
    return f'<div class="mcqa-box mcqa-{level}" role="{role}">{word}{text(value)}</div>'


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """Return a table that scrolls sideways by itself; the first cell of a row heads it."""
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td>{text(cell)}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{text(first)}</th>{cells}</tr>')
    named = f"<caption>{text(caption)}</caption>" if caption else ""
    return (
        f'<div class="mcqa-scroll" tabindex="0"><table>{named}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
