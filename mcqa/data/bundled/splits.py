"""How facts are split: what is held out is never met in training, not even as a wrong option."""

from mcqa.data.bundled.drawing import hashed
from mcqa.data.bundled.tables import Fact, Kind

SPLITS = ("train", "validation", "test")

SHARES = {"validation": 0.095, "test": 0.19}


def parts_of(kind: Kind) -> dict[str, list[Fact]]:
    """Split the facts of a kind: whole groups are held out, and no fact of two tables is."""
    facts = sorted(kind.facts, key=lambda fact: hashed("split", fact.id))
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.group, []).append(fact)
    validation, test = (round(share * len(facts)) for share in SHARES.values())
    chosen: list[Fact] = []
    for _, group in sorted(groups.items(), key=lambda item: hashed("split", item[0])):
        fits = len(chosen) + len(group) <= validation + test
        if fits and not any(fact.elsewhere for fact in group):
            chosen += group
    held_out = [fact for fact in facts if fact in chosen]
    return {
        "train": [fact for fact in facts if fact not in chosen],
        "validation": held_out[:validation],
        "test": held_out[validation:],
    }


def pool_of(parts: dict[str, list[Fact]], split: str) -> list[Fact]:
    """Return the facts whose values may be wrong options of a split's questions."""
    return parts["train"] if split == "train" else [*parts["validation"], *parts["test"]]
