"""The bundled questions: a small set of our own, so that a first try needs no download.

Facts are split, not questions, and wrong options are facts of the same kind from the question's own
side of the split: otherwise a held-out answer would be seen in training, and only ever as a wrong
one. Those that look like the right one come first, or its form would give it away. All choices are
made by hashing, so every machine and Python gives the same questions.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mcqa.data.bundled.tables import Fact, Kind, Phrasing, load_kinds, normalise, right_answers
from mcqa.errors import DataError
from mcqa.question import Question

SPLITS = ("train", "validation", "test")

_SHARES = {"validation": 0.095, "test": 0.19}
_PHRASINGS_PER_FACT = (2, 1, 2, 2)
_OPTIONS_PER_QUESTION = (4, 4, 4, 4, 3, 4, 4, 4, 4, 5)


class _Draft(NamedTuple):
    id: str
    kind: Kind
    phrasing: Phrasing
    fact: Fact
    pool: Sequence[Fact]


def bundled_questions(split: str) -> list[Question]:
    """Return the questions of one split, in a fixed order that mixes all kinds.

    Each is labelled and has 3 to 5 options. Its id is made of kind, fact and number of the
    phrasing, as in `capitals/france/2`. A `DataError` where there is no such split.
    """
    if split not in SPLITS:
        raise DataError(
            f"the bundled questions have no split {split!r}; choose one of {', '.join(SPLITS)}."
        )
    drafts = [draft for kind in load_kinds() for draft in _drafts(kind, split)]
    drafts.sort(key=lambda draft: _hash("order", draft.id))
    sizes = _deck(_OPTIONS_PER_QUESTION, f"{split}/sizes")
    labels = {n: _deck(range(n), f"{split}/labels/{n}") for n in set(_OPTIONS_PER_QUESTION)}
    return [_question(draft, n, next(labels[n])) for draft, n in zip(drafts, sizes, strict=False)]


def fact_of(id: str) -> str:
    """Return the fact that a bundled question asks for, from its id: `capitals/france`."""
    return id.rsplit("/", 1)[0]


def _drafts(kind: Kind, split: str) -> Iterator[_Draft]:
    parts = _parts(kind)
    part = parts[split]
    pool = part if split == "train" else [*parts["validation"], *parts["test"]]
    for fact, count in zip(part, itertools.cycle(_PHRASINGS_PER_FACT), strict=False):
        phrasings = (
            phrasing
            for phrasing in _shuffled(kind.phrasings, f"phrasings/{fact.id}")
            if split == "train" or _is_asked_only_in(part, kind, phrasing, fact)
        )
        for phrasing in itertools.islice(phrasings, count):
            yield _Draft(f"{fact.id}/{phrasing.number}", kind, phrasing, fact, pool)


def _parts(kind: Kind) -> dict[str, list[Fact]]:
    """Split the facts of a kind: whole groups are held out, and no fact of two tables is."""
    facts = sorted(kind.facts, key=lambda fact: _hash("split", fact.id))
    validation, test = (round(share * len(facts)) for share in _SHARES.values())
    chosen: list[Fact] = []
    for name in sorted({fact.group for fact in facts}, key=lambda name: _hash("split", name)):
        group = [fact for fact in facts if fact.group == name]
        fits = len(chosen) + len(group) <= validation + test
        if fits and not any(fact.elsewhere for fact in group):
            chosen += group
    held_out = [fact for fact in facts if fact in chosen]
    return {
        "train": [fact for fact in facts if fact not in chosen],
        "validation": held_out[:validation],
        "test": held_out[validation:],
    }


def _is_asked_only_in(part: list[Fact], kind: Kind, phrasing: Phrasing, fact: Fact) -> bool:
    """Return whether no fact outside a part gives the same stem; its answer would differ."""
    stem = phrasing.ask(fact)
    return all(other in part for other in kind.facts if phrasing.ask(other) == stem)


def _question(draft: _Draft, size: int, label: int) -> Question:
    asks = draft.phrasing.asks
    right = right_answers(draft.kind, draft.phrasing, draft.fact)
    values = {normalise(fact.values[asks]): fact.values[asks] for fact in draft.pool}
    wrong = [value for name, value in sorted(values.items()) if name not in right]
    alike = {fact.values[asks] for fact in draft.pool if fact.group == draft.fact.group}
    wrong = _shuffled(wrong, f"options/{draft.id}")
    chosen = sorted(wrong, key=lambda value: value not in alike)[: size - 1]
    assert len(chosen) == size - 1, f"{draft.id}: its table has too few held-out answers"
    options = [value for value in wrong if value in chosen]
    options.insert(label, draft.fact.values[asks])
    stem, subject = draft.phrasing.ask(draft.fact), draft.kind.subject
    return Question(id=draft.id, stem=stem, options=options, label=label, subject=subject)


def _deck(cards: Sequence, seed: str) -> Iterator:
    """Deal the cards without end, shuffled anew each round: random, and even in the long run."""
    for number in itertools.count():
        yield from _shuffled(cards, f"{seed}/{number}")


def _shuffled(items: Sequence, seed: str) -> list:
    keys = {place: _hash(seed, str(place)) for place in range(len(items))}
    return [items[place] for place in sorted(keys, key=keys.get)]


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("/".join(parts).encode()).digest()
