"""Several sets and kinds of training questions in one run, each with a weight.

A set of weight w is gone through w times in every epoch; what is left of w behind the point is a
share of the set, drawn once with the run's seed, so that every epoch has the same. The traps: two
sets may use the same ids for different questions, and hold the same questions under different ids.
"""

import contextlib
import itertools
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mcqa.data.same import question_key
from mcqa.data.stored import StoredQuestions
from mcqa.errors import ConfigError
from mcqa.kinds import KINDS
from mcqa.question import Question

MOST = 100
Questions = Sequence[Question]


def parse_sources(texts: Sequence[str]) -> list[tuple[str, float]]:
    """Return the source and the weight of each set, written as `SOURCE` or `SOURCE=WEIGHT`.

    Raises:
        ConfigError: a weight cannot be used, or a set is named twice.
    """
    sources, seen = [_parse(text) for text in texts], set()
    for name, _ in sources:
        path = Path(name).resolve()  # of a Hub data set, whatever that is: the same for the same
        if path in seen:
            raise ConfigError(
                f"data: {name!r} is named more than once; name it once, with a weight: {name}=2"
            )
        seen.add(path)
    return sources


def _parse(text: str) -> tuple[str, float]:
    name, equals, weight = text.rpartition("=")
    if not equals or Path(text).exists():
        return text, 1.0
    value = math.nan
    with contextlib.suppress(ValueError):
        value = float(weight)
    if not name or not 0 < value <= MOST:
        raise ConfigError(
            f"data {text!r}: expected SOURCE or SOURCE=WEIGHT with a weight above 0 and at most "
            f"{MOST}, like train.jsonl=2 or train.jsonl=0.5, or the path of a file"
        )
    return name, value


def parse_kind_weights(texts: Sequence[str]) -> dict[str, float]:
    """Return what the losses of kinds are multiplied by, each written as `KIND=WEIGHT`.

    >>> parse_kind_weights(["several=0.5"])
    {'several': 0.5}

    Raises:
        ConfigError: there is no such kind, or its weight is no number above 0.
    """
    weights = {}
    for text in texts:
        kind, _, number = text.partition("=")
        weight = math.nan
        with contextlib.suppress(ValueError):
            weight = float(number)
        if kind not in KINDS or kind in weights or not 0 < weight < math.inf:
            raise ConfigError(
                f"kind_weights {text!r}: expected KIND=WEIGHT, each kind once, like several=0.5; "
                f"the kinds are {', '.join(KINDS)}, and a weight is above 0."
            )
        weights[kind] = weight
    return weights


def short_names(sources: Sequence[str]) -> list[str]:
    """Return what to call sets in messages and ids: the last part of each name where that is clear.

    >>> short_names(["data/a.jsonl", "owner/b"]), short_names(["x/a.jsonl", "y/a.jsonl"])
    (['a.jsonl', 'b'], ['x/a.jsonl', 'y/a.jsonl'])
    """
    short = [Path(source).name for source in sources]
    return short if len(set(short)) == len(short) else list(sources)


def draw(questions: Questions, weight: float, seed: int) -> Questions:
    """Return a set's questions as often as its weight says."""
    if weight == 1:
        return questions
    whole, share = divmod(weight, 1)
    every = range(len(questions))
    drawn = random.Random(seed).sample(every, round(share * len(questions)))
    places = itertools.chain(*[every] * int(whole), sorted(drawn))
    return StoredQuestions(questions[place] for place in places)


def with_unique_ids(sets: Sequence[Questions], names: Sequence[str]) -> Sequence[Questions]:
    """Return the sets' questions, every id behind its set's name where two sets share an id."""
    ids = (question.id for questions in sets for question in questions)
    if len(sets) == 1 or max(Counter(ids).values(), default=1) == 1:
        return sets
    return [
        StoredQuestions(replace(question, id=f"{name}:{question.id}") for question in questions)
        for questions, name in zip(sets, names, strict=True)
    ]


def overlaps(sets: Mapping[str, Questions], validation: Questions = ()) -> list[str]:
    """Return a line for each set that has questions of an earlier one, or of validation."""
    if len(sets) == 1 and not validation:
        return []
    lines, first = [], {}
    held_out = Counter(map(question_key, validation))
    for name, questions in sets.items():
        keys = list(map(question_key, questions))
        again = Counter(first[key] for key in keys if key in first)
        lines += [
            f"{name}: {count:,} of its {len(questions):,} questions are in {other} too, and are "
            "trained on more often than the weights say."
            for other, count in again.items()
        ]
        if leaked := sum(held_out[key] for key in set(keys)):
            lines.append(
                f"{name}: {leaked:,} of the {len(validation):,} validation questions are training "
                "questions here. Validation will look better than it is; take them out of one."
            )
        for key in keys:
            first.setdefault(key, name)
    return lines
