"""A study in words: which formulation, by how much, and how sure that is, training noise included.

What is said holds for the data set, model and size of a condition, and no further.
"""

from collections.abc import Mapping

from mcqa.evaluation.clustered import FEW
from mcqa.evaluation.numbers import format_p_value

LEVEL = 0.05


def condition_name(condition: Mapping, *, several_models: bool) -> str:
    """Return what a condition is called: its data set, its size, and its model among several."""
    size = condition["size"]
    name = f"{condition['data']}, {f'{size:,}' if size else 'all'} training questions"
    return f"{name}, {condition['model']}" if several_models else name


def verdict(pair: Mapping) -> str:
    """Say of two arms which is better, and no more than interval and test both allow."""
    found, (a, b) = pair["accuracy"], (pair["a"], pair["b"])
    value = found["value"]
    low, high = found.get("ci95", (0, 0))
    if value < 0:
        value, low, high, a, b = -value, -high, -low, b, a
    finding = f"{a} answers {100 * value:.1f} points more of the questions right than {b}"
    if not value:
        finding = f"{a} and {b} answer the same number of questions right"
    if "refused" in found:
        return (
            f"Of the formulations nothing can be said: in these runs {finding}, but "
            f"{found['refused']}."
        )
    corrected, compared = found["p_holm"], found["compared"]
    sample = f"{found['n_questions']:,} questions"
    if found["n_clusters"] < found["n_questions"]:
        sample += f" in {found['n_clusters']:,} groups"
        if found["n_clusters"] < FEW:
            sample += ", so few that it is rough"
    seeds = " and ".join(map(str, dict.fromkeys(found["n_seeds"])))
    test = f"p {format_p_value(corrected, '= ')}"
    test += f" after Holm's correction for {compared} comparisons" if compared > 1 else ""
    evidence = (
        f"95% interval {100 * low:+.1f} to {100 * high:+.1f} points for new seeds and new "
        f"questions, {test}; {seeds} seeds each, {sample}"
    )
    if low > 0 and corrected < LEVEL:
        return f"{finding} ({evidence})."
    return f"No difference is shown: {finding}, which may be luck ({evidence})."


def crossings(conditions: list[Mapping], a: str, b: str) -> list[tuple]:
    """Return the pairs of neighbouring sizes between which another of two arms is ahead.

    Args:
        conditions: of one data set and model, by size.
        a, b: names of arms.
    """
    found, before = [], None
    for condition in conditions:
        values = {arm["name"]: arm["accuracy"]["value"] for arm in condition["arms"]}
        ahead = values[a] - values[b]
        if before is not None and before[1] * ahead < 0:
            found.append((before[0], condition["size"]))
        if ahead:
            before = condition["size"], ahead
    return found
