"""The report, as one HTML file that runs no script and fetches nothing, and as Markdown.

Every text in it comes from a user's questions, file names or settings and is escaped.
"""

import html
import os
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mcqa.report.blocks import Section
from mcqa.report.content import report_sections
from mcqa.report.drawing import inline
from mcqa.report.figures import draw_figures
from mcqa.system.files import write_whole

PLOTS = "plots"


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    runs: list[dict],
    comparisons: list[dict],
    details: dict[str, str],
    examples: Sequence[dict] = (),
    plots: dict[str, bytes] | None = None,
) -> Path:
    """Write the report of some runs, all or nothing, and return the path.

    Args:
        path: an HTML page or, where it ends in `.md`, Markdown, its plots in `plots/` beside it.
        runs: per run a dict with `name`, `scorer`, `template`, `metrics` (those of `metrics.json`,
            of `summarize` at least) and `cost` (`trainable_parameters`, `training_seconds`,
            `training_memory_bytes`, `adapter_bytes`; None for a run that trained nothing).
        comparisons: what `compare_many` or `mcqa.evaluating.analysis.compare_runs` returns.
        details: what the numbers depend on, label to text.
        examples: per comparison what `mcqa.evaluating.analysis.one_sided` returns; or none.
        plots: what `draw_figures` returns for these runs; by default they are drawn here.
    """
    plots = draw_figures(runs) if plots is None else plots
    sections = report_sections(runs, comparisons, examples, list(plots), details)
    return write_page(path, title=title, sections=sections, plots=plots)


def write_page(
    path: str | os.PathLike, *, title: str, sections: Sequence[Section], plots: dict[str, bytes]
) -> Path:
    """Write sections as a page, all or nothing, and return the path; see `write_report`.

    Args:
        path: an HTML page or, where it ends in `.md`, Markdown, its plots in `plots/` beside it.
        plots: SVG by the name that a `Plot` block has.
    """
    path = Path(path)
    kind = "md" if path.suffix == ".md" else "html"
    form = {"finalize": escape_markdown} if kind == "md" else {"autoescape": True}
    how = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True, **form}
    environment = Environment(loader=PackageLoader("mcqa.report"), **how)
    environment.filters["unbroken"] = _unbroken
    page = environment.get_template(f"page.{kind}.j2").render(
        title=title,
        sections=sections,
        plots={name: Markup(inline(svg, name)) for name, svg in plots.items()},
    )
    if kind == "md":
        page = re.sub(r"\n{3,}", "\n\n", page).rstrip() + "\n"
        for name, svg in plots.items():
            write_whole(path.parent / PLOTS / f"{name}.svg", svg)
    return write_whole(path, page)


def escape_markdown(text: str) -> str:
    r"""Return a text as one line that Markdown shows as it is.

    >>> escape_markdown("a|b <i> _c_\n# d")
    'a\\|b &lt;i&gt; \\_c\\_ \\# d'
    """
    line = html.escape(" ".join(str(text).split()), quote=False)
    line = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", line)
    # what would start a list or a rule, but not a signed number
    return re.sub(r"^(\d*)([-+=.)])(?=\s|$|[-=])", lambda x: f"{x[1]}&#{ord(x[2])};", line)


def _unbroken(cell: str) -> Markup:
    """Return a cell whose bracket at the end, an interval, goes on a line of its own as a whole."""
    return Markup(re.sub(r"\(([^()]*)\)$", r"<span>(\1)</span>", str(escape(cell))))
