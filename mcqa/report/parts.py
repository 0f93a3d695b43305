"""Tables of parts: by how many options there are, of what is mistaken for what, of settings."""

from collections.abc import Sequence

from mcqa.evaluation import numbers
from mcqa.question import LETTERS
from mcqa.report.blocks import Table, Text

MOST_POSITIONS = 6  # of a table of confusions that can be read
SETTINGS = {
    "base_model": "Base model",
    "quantization": "Quantization",
    "dtype": "Type",
    "recipe": "Recipe",
    "learning_rate": "Learning rate",
    "n": "Training questions",
    "seed": "Seed",
}


def option_count_blocks(runs: Sequence[dict]) -> list[Table | Text]:
    """Return the accuracy by the number of options, nothing where all questions have as many."""
    counts = [run["metrics"].get("per_option_count", {}) for run in runs]
    groups = sorted(set().union(*counts), key=int)
    if len(groups) < 2:
        return []
    n = {group: next(of[group]["n"] for of in counts if group in of) for group in groups}
    rows = [
        [f"{group} (n = {n[group]:,})"]
        + [
            numbers.format_share(of[group]["metrics"]["accuracy"] if group in of else None)
            for of in counts
        ]
        for group in groups
    ]
    return [Table(["Options", *(run["name"] for run in runs)], rows)]


def confusion_blocks(runs: Sequence[dict]) -> list[Table | Text]:
    """Return a table per run of how often each position is chosen where another is right."""
    tables = []
    for run in runs:
        found = run["metrics"].get("confusion")
        if not found or not 1 < len(found["positions"]) <= MOST_POSITIONS:
            continue
        letters = LETTERS[: len(found["positions"])]
        unread = any(found["unparsed"])
        rows = [
            [f"{letter} is right", *map(str, counts), *([str(missing)] if unread else [])]
            for letter, counts, missing in zip(
                letters, found["counts"], found["unparsed"], strict=True
            )
        ]
        columns = [run["name"], *(f"{letter} chosen" for letter in letters)]
        tables.append(Table([*columns, *(["Not read"] if unread else [])], rows))
    return tables


def settings(runs: Sequence[dict]) -> list[Table]:
    """Return the settings with which runs were trained, nothing where none was."""
    known = [run.get("settings") or {} for run in runs]
    rows = [
        [heading, *(numbers.UNKNOWN if of.get(key) is None else str(of[key]) for of in known)]
        for key, heading in SETTINGS.items()
    ]
    return [Table(["", *(run["name"] for run in runs)], rows)] if any(known) else []
