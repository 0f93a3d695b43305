"""The same metrics for parts of the questions: per subject, per number of options.

The trap: among many small groups one will look good or bad by luck; no interval corrects for that.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.measures import describe_run
from mcqa.evaluation.sets import AnyAnswers
from mcqa.question import Question


def by_subject(questions: Iterable[Question]) -> dict[str, str | None]:
    """Return each question's subject by its id."""
    return {question.id: question.subject for question in questions}


def describe_groups(
    answers: AnyAnswers, group_of: Mapping[str, str | int | None], **how
) -> dict[str | int, dict]:
    """Return what `describe_run` says about each group of questions, in ascending order.

    A question whose group is None is left out; `how` are `seed` and `resamples`.

    Raises:
        ConfigError: a question has no entry in `group_of`.
    """
    places: dict[str | int | None, list[int]] = {}
    for place, group in enumerate(_groups(answers.ids, group_of)):
        places.setdefault(group, []).append(place)
    places.pop(None, None)
    return {group: describe_run(answers.take(at), **how) for group, at in sorted(places.items())}


def macro_accuracy(groups: Mapping[str, dict]) -> dict | None:
    """Return the mean of the groups' accuracies, each counted alike, None of fewer than two.

    Args:
        groups: what `describe_groups` returns, such as the `per_subject` of `metrics.json`.

    Returns:
        `value`, `n` (how many groups) and `ci95`, for new questions of these same groups: the
        Wilson intervals of the groups combined (MOVER).

    Source:
        Zou and Donner (2008), Construction of confidence limits about effect measures.
    """
    if len(groups) < 2:
        return None
    accuracies = [group["metrics"]["accuracy"] for group in groups.values()]
    value_G = np.array([accuracy["value"] for accuracy in accuracies])
    distance_2G = np.abs(np.array([accuracy["ci95"] for accuracy in accuracies]).T - value_G)
    mean, (below, above) = value_G.mean(), np.sqrt((distance_2G**2).sum(1)) / len(value_G)
    ci95 = [max(0.0, float(mean - below)), min(1.0, float(mean + above))]
    return {"value": float(mean), "n": len(value_G), "ci95": ci95}


def cluster_numbers(
    ids: Sequence[str], cluster_of: Mapping[str, Hashable] | None
) -> np.ndarray | None:
    """Return each question's cluster as a number, None without any; one in none stands alone.

    Raises:
        ConfigError: a question has no entry in `cluster_of`.
    """
    if cluster_of is None:
        return None
    numbers: dict[Hashable, int] = {}
    groups = zip(ids, _groups(ids, cluster_of), strict=True)
    clusters = (("alone", id) if group is None else ("group", group) for id, group in groups)
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=int)


def _groups(ids: Sequence[str], group_of: Mapping[str, Hashable]) -> list[Hashable]:
    try:
        return [group_of[id] for id in ids]
    except KeyError as error:
        raise ConfigError(
            f"question {error} has no group ({len(group_of)} questions have one). "
            "Give the groups of the questions that were scored."
        ) from None
