"""What a report is made of: sections of paragraphs, tables, plots and questions."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A paragraph. Its `style` is `note` where it says what to make of the numbers beside it."""

    text: str
    style: str = "note"
    kind: str = "text"


@dataclass(frozen=True)
class Table:
    """A table; the first column heads the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    style: str = ""
    kind: str = "table"


@dataclass(frozen=True)
class Plot:
    """A plot by its name in `mcqa.report.figures`, and what to say to those who cannot see it."""

    name: str
    description: str
    kind: str = "plot"


@dataclass(frozen=True)
class Examples:
    """Questions that one run gets right and the other wrong.

    Args:
        heading: whose questions they are.
        questions: dicts with `stem`, `context` or None, `answer`, `chosen` (the wrong answer, or
            None where none was parsed).
        shown: whether a page shows them at once.
    """

    heading: str
    questions: Sequence[dict]
    shown: bool
    kind: str = "examples"


@dataclass(frozen=True)
class Section:
    """A heading (none for the first screen) and what stands under it."""

    heading: str
    blocks: Sequence[Text | Table | Plot | Examples]
