"""Bundled questions with ordered answers: how long, how heavy, how hot, how sure?

`scales.yaml` has levels and phrasings, `scales.tsv` the items. Items are split as facts are.
"""

import csv

import yaml

from mcqa.data.bundled.drawing import hashed, shuffled
from mcqa.data.bundled.splits import SHARES
from mcqa.data.bundled.tables import slug, text_of
from mcqa.question import Question


def scale_questions(split: str) -> list[Question]:
    """Return the questions of one split, in a fixed order that mixes all scales.

    >>> question = next(q for q in scale_questions("train") if q.id == "lengths/a-piano/1")
    >>> question.stem, question.answer
    ('How long or tall is a piano?', '1 to 5 metres')
    """
    scales = yaml.safe_load(text_of("scales.yaml"))
    rows = csv.DictReader(
        text_of("scales.tsv").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    items: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        items.setdefault((row["scale"], row["level"]), []).append(row["item"])
    questions = [
        question
        for (name, level), members in items.items()
        for item in _part(members, f"{name}/{level}", split)
        for question in _questions(name, scales[name], item, int(level) - 1)
    ]
    return sorted(questions, key=lambda question: hashed("order", question.id))


def _part(members: list[str], name: str, split: str) -> list[str]:
    """Return the items of one level that belong to a split, so that all levels are in each."""
    mixed = shuffled(members, f"split/{name}")
    n_validation, n_test = (max(1, round(share * len(mixed))) for share in SHARES.values())
    ends = {"validation": (0, n_validation), "test": (n_validation, n_validation + n_test)}
    start, end = ends.get(split, (n_validation + n_test, len(mixed)))
    return mixed[start:end]


def _questions(name: str, scale: dict, item: str, level: int) -> list[Question]:
    return [
        Question(
            id=f"{name}/{slug(item)}/{number}",
            stem=phrasing.format(item=item),
            options=tuple(scale["levels"]),
            label=level,
            kind="scale",
            subject=scale["subject"],
        )
        for number, phrasing in enumerate(scale["phrasings"], 1)
    ]
