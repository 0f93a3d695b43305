"""Evaluate runs that were scored in parts: metrics and comparisons of sums, each part a task.

    metrics.json        in each run's folder of parts
    comparison.json     beside these folders, of several

No process holds more than one part of each run. The trap: with --skip-invalid a run may have left
out a question that another answered; a comparison is over those that both answered.
"""

from collections.abc import Mapping
from itertools import combinations

from mcqa.errors import DataError
from mcqa.evaluation.comparison import compare_counts, mark_primary
from mcqa.evaluation.tally import Tally, describe_tally, tally_pair
from mcqa.scoring.parts import MANIFEST, Place, predictions_of, questions_of
from mcqa.system.cluster import run_tasks

METRICS, COMPARISON = "metrics.json", "comparison.json"


def evaluate_parts(folders: Mapping[str, Place], output: Place) -> tuple[dict, list[dict]]:
    """Write what finished folders of parts over the same questions come to.

    Args:
        folders: by the names of the runs.
        output: where `comparison.json` goes.

    Returns:
        By name what `mcqa.evaluation.tally.describe_tally` says, and the comparisons.

    Raises:
        DataError: a folder is not finished, or they are of different questions.
    """
    tallies = {name: Tally() for name in folders}
    pairs = {pair: Tally() for pair in combinations(folders, 2)}
    for _, found in run_tasks(lambda parts: _tally(folders, parts), _parts(folders)):
        for kept, more in zip((tallies, pairs), found, strict=True):
            for key, tally in more.items():
                kept[key].update(tally)
    metrics = {name: describe_tally(tally) for name, tally in tallies.items()}
    for name, folder in folders.items():
        (folder / METRICS).write_json(metrics[name])
    comparisons = [_compare(names, tally) for names, tally in pairs.items() if tally]
    mark_primary(comparisons)
    if comparisons:
        first, *others = comparisons
        (output / COMPARISON).write_json(first | ({"others": others} if others else {}))
    return metrics, comparisons


def _parts(folders: Mapping[str, Place]) -> list[dict]:
    """Return each part by the runs' names."""
    listed = {
        name: ((folder / MANIFEST).read_json() or {}).get("parts", [])
        for name, folder in folders.items()
    }
    first, *_ = folders
    asked = {
        name: [(part["part"], part["questions_sha256"]) for part in parts]
        for name, parts in listed.items()
    }
    for name, folder in folders.items():
        if not asked[name] or asked[name] != asked[first]:
            raise DataError(
                f"{folder}: not finished, or not of the questions of {folders[first]}. Give the "
                "command again, with --overwrite if the questions are others."
            )
    return [dict(zip(folders, part, strict=True)) for part in zip(*listed.values(), strict=True)]


def _tally(folders: Mapping[str, Place], parts: Mapping[str, dict]) -> tuple[dict, dict]:
    runs = {name: predictions_of(folder, parts[name]) for name, folder in folders.items()}
    name, folder = next(iter(folders.items()))
    questions = questions_of(folder, parts[name] | {"sha256": parts[name]["questions_sha256"]})
    subject_of = {question.id: question.subject for question in questions}
    tallies = {name: Tally.of(predictions, subject_of) for name, predictions in runs.items()}
    return tallies, {(a, b): tally_pair(runs[a], runs[b]) for a, b in combinations(runs, 2)}


def _compare(names: tuple[str, str], tally: Tally) -> dict:
    """Return what `comparison.json` says of a pair: `compare_counts`, and other `metrics`."""
    right: dict[tuple, int] = tally.counted("right")
    both, a_only, b_only = (right.get(key, 0) for key in ((1, 1), (1, 0), (0, 1)))
    n = sum(right.values())
    result = compare_counts(n, (both + a_only, both + b_only), (a_only, b_only), names)
    result["metrics"] = {}
    for name in sorted(key[1] for key in tally if key[0] == "count"):
        if difference := tally.mean(name):
            keys = "difference", "n", "ci95"
            result["metrics"][name] = dict(zip(keys, difference, strict=True), interval="normal")
    return result
