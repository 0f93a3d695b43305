"""What it costs to reach an accuracy, read off the learning curves of a study.

Between two sizes that were trained, a curve is taken as straight; nothing is said beyond its ends.
The trap: a mean over few seeds may fall where more questions would not hurt. What is told is the
first place at which a curve reaches the accuracy.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

STEP, MOST = 0.05, 4  # accuracies to ask for: multiples of this, the highest so many


def costs_to_reach(conditions: Sequence[Mapping]) -> list[dict]:
    """Return for some accuracies what each arm takes to reach them.

    Args:
        conditions: of one data set and model, by size, each with `arms` and the mean `costs` of a
            run by the arm's name; see `mcqa.study.inference.summarize_study`.

    Returns:
        Per accuracy, from the lowest: `accuracy`, and by `arms` their `questions` and
        `training_seconds` (`at_most` where the smallest size reaches it already), None where the
        curve stays below. Nothing with fewer than two sizes, or with one that is not a number.
    """
    if len(conditions) < 2 or any(condition["size"] is None for condition in conditions):
        return []
    curves = {arm["name"]: _curve(conditions, arm["name"]) for arm in conditions[0]["arms"]}
    values = [value for curve in curves.values() for value, _, _ in curve]
    lowest = min(min(value for value, _, _ in curve) for curve in curves.values())
    steps = range(math.floor(lowest / STEP) + 1, math.floor(max(values) / STEP + 1e-9) + 1)
    return [
        {
            "accuracy": step * STEP,
            "arms": {name: _reach(curve, step * STEP) for name, curve in curves.items()},
        }
        for step in steps[-MOST:]
    ]


def _curve(conditions: Sequence[Mapping], name: str) -> list[tuple[float, int, float | None]]:
    """Return an arm's mean accuracy, questions and training seconds (or None), by size."""
    points = []
    for condition in conditions:
        (arm,) = (arm for arm in condition["arms"] if arm["name"] == name)
        seconds = condition["costs"][name]["training_seconds"]
        points.append((arm["accuracy"]["value"], condition["size"], seconds))
    return points


def _reach(curve: Sequence[tuple[float, int, float | None]], accuracy: float) -> dict | None:
    accuracy -= 1e-9
    value, size, seconds = curve[0]
    if value >= accuracy:
        return {"questions": size, "training_seconds": seconds, "at_most": True}
    for before, after in itertools.pairwise(curve):
        if after[0] >= accuracy:
            part = (accuracy - before[0]) / (after[0] - before[0])
            size, seconds = (
                None if a is None or b is None else b + part * (a - b)
                for b, a in zip(before[1:], after[1:], strict=True)
            )
            return {"questions": round(size), "training_seconds": seconds, "at_most": False}
    return None
