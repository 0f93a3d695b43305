"""What a report is made of; a template of each `kind` writes it in HTML, another in Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A paragraph. Its `style` is `note` where it says what to make of the numbers beside it."""

    text: str
    style: str = "note"
    kind = "text"


@dataclass(frozen=True)
class Table:
    """A table; the first column heads the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    style: str = ""
    kind = "table"


@dataclass(frozen=True)
class Plot:
    """A plot by its name in `mcqa.report.figures`, and what to say to those who cannot see it."""

    name: str
    description: str
    kind = "plot"


@dataclass(frozen=True)
class Examples:
    """Questions that one run gets right and the other wrong, `shown` at once or on demand.

    They are dicts with `stem`, `context` or None, `answer`, and the wrong answer `chosen`.
    """

    heading: str
    questions: Sequence[dict]
    shown: bool
    kind = "examples"


@dataclass(frozen=True)
class Details:
    """What the numbers depend on, label to text."""

    details: Mapping[str, str]
    kind = "details"


@dataclass(frozen=True)
class Section:
    """A heading (none for the first screen) and what stands under it."""

    heading: str
    blocks: Sequence[Text | Table | Plot | Examples | Details]
