"""What a report says of each kind of question by itself; plain choices alone have no heading.

Such parts are named by their kind, plain choices by an empty text.
"""

from mcqa.evaluation.metrics import split_kinds


def runs_by_kind(runs: list[dict]) -> dict[str, list[dict]]:
    """Return the runs (see `write_report`) for each kind, each with its metrics of that kind."""
    parts: dict[str, list[dict]] = {}
    for run in runs:
        for kind, metrics in split_kinds(run["metrics"]).items():
            parts.setdefault(kind, []).append(run | {"metrics": metrics})
    return parts


def plot_name(kind: str, name: str) -> str:
    """Return what a plot of one kind's questions is called."""
    return f"{kind.replace('_', '-')}-{name}" if kind else name
