"""The page that answers: which is better, by how much, how sure is that, and at what cost?

One HTML file that needs nothing else: its style and its plot are inside, it runs no script and
fetches nothing. Every text in it comes from a user's file names or settings and is escaped.
"""

import os
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mcqa.files import write_whole
from mcqa.report import numbers
from mcqa.report.plots import inline_svg


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    runs: list[dict],
    comparisons: list[dict],
    details: dict[str, str],
) -> Path:
    """Write the report of some runs as one self-contained HTML page, all or nothing.

    Args:
        path: where to write the page.
        title: the page's heading.
        runs: per run a dict with `name`, `scorer`, `template`, `metrics` (what `summarize`
            returns) and `cost` (`trainable_parameters`, `training_seconds`, `adapter_bytes`;
            None for a run that trained nothing).
        comparisons: what `compare_many` returns for these runs; empty for a single run.
        details: what the numbers depend on, label to text: model, data, seed, hardware,
            versions, command.

    Returns:
        The path.
    """
    environment = Environment(
        loader=PackageLoader("mcqa.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    has_accuracy = any(run["metrics"]["accuracy"] is not None for run in runs)
    page = environment.get_template("page.html.j2").render(
        title=title,
        findings=[comparison["verdict"] for comparison in comparisons] or _findings(runs),
        plot=Markup(inline_svg(runs)) if has_accuracy else None,
        names=[run["name"] for run in runs],
        rows=_rows(runs),
        pairs=[_pair(comparison) for comparison in comparisons],
        details=details,
    )
    return write_whole(path, page)


def _findings(runs: list[dict]) -> list[str]:
    """Say how many questions each run gets right, where there is nothing to compare."""
    return [
        f"{run['name']} answers {_accuracy(run)} of {run['metrics']['n']} questions right."
        if run["metrics"]["n"]
        else f"{run['name']} answered no labelled question, so its accuracy is not known."
        for run in runs
    ]


def _rows(runs: list[dict]) -> list[tuple[str, list[str]]]:
    """Return the table: a heading and one cell per run, for each thing there is to tell."""
    rows = [
        ("Accuracy (95% interval)", _accuracy),
        ("Questions per second", _of("metrics", "questions_per_second", numbers.format_rate)),
        ("Trainable parameters", _of("cost", "trainable_parameters", numbers.format_count)),
        ("Training time", _of("cost", "training_seconds", numbers.format_seconds)),
        ("Adapter size", _of("cost", "adapter_bytes", numbers.format_bytes)),
        ("Scorer", lambda run: run["scorer"]),
        ("Template", lambda run: run["template"]),
        ("Questions", _of("metrics", "n", numbers.format_count)),
    ]
    for heading, key in (("Answers not parsed", "unparsed"), ("Without label", "unlabelled")):
        if any(run["metrics"][key] for run in runs):
            rows.append((heading, _of("metrics", key, numbers.format_count)))
    return [(heading, [cell(run) for run in runs]) for heading, cell in rows]


def _of(part: str, key: str, format: Callable) -> Callable[[dict], str]:
    """Return the function that formats one number of a run, a dash where its part is None."""
    return lambda run: numbers.UNKNOWN if run[part] is None else format(run[part][key])


def _accuracy(run: dict) -> str:
    metrics = run["metrics"]
    return numbers.format_accuracy(metrics["accuracy"], metrics["accuracy_ci95"])


def _pair(comparison: dict) -> dict:
    """Return a comparison with the two counts of the 2x2 table that are implied."""
    n, counts = comparison["n"], comparison["mcnemar"]
    a_right = round(comparison["a"]["accuracy"] * n)
    both_right = a_right - counts["a_only"]
    neither = n - both_right - counts["a_only"] - counts["b_only"]
    return {**comparison, "both_right": both_right, "neither": neither}
