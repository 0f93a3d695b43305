"""What a report is made of; a template of each `kind` writes it in HTML, another in Markdown."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Text(NamedTuple):
    """A paragraph. Its `style` is `note` where it says what to make of the numbers beside it."""

    text: str
    style: str = "note"
    kind: str = "text"


class Table(NamedTuple):
    """A table; the first column heads the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    style: str = ""
    kind: str = "table"


class Plot(NamedTuple):
    """A plot by its name in `mcqa.report.figures`, and what to say to those who cannot see it."""

    name: str
    description: str
    kind: str = "plot"


class Examples(NamedTuple):
    """Questions that just one run gets right (see `one_sided`), `shown` at once or on demand."""

    heading: str
    questions: Sequence[dict]
    shown: bool
    kind: str = "examples"


class Details(NamedTuple):
    """What the numbers depend on, label to text."""

    details: Mapping[str, str]
    kind: str = "details"


class Section(NamedTuple):
    """A heading (none for the first screen) and what stands under it."""

    heading: str
    blocks: Sequence[Text | Table | Plot | Examples | Details]
