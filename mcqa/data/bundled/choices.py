"""Bundled questions with one right answer: the facts of a table, put as its phrasings say.

The wrong options are facts of the same table, from the question's own side of the split. Those that
look like the right one come first, or its form would give it away.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mcqa.data.bundled.drawing import deck, hashed, shuffled
from mcqa.data.bundled.splits import parts_of, pool_of
from mcqa.data.bundled.tables import Fact, Kind, Phrasing, load_kinds, normalise, right_answers
from mcqa.question import Question

_PHRASINGS_PER_FACT = (2, 1, 2, 2)
_OPTIONS_PER_QUESTION = (4, 4, 4, 4, 3, 4, 4, 4, 4, 5)


class _Draft(NamedTuple):
    kind: Kind
    phrasing: Phrasing
    fact: Fact
    pool: Sequence[Fact]

    @property
    def id(self) -> str:
        return f"{self.fact.id}/{self.phrasing.number}"


def choice_questions(split: str) -> list[Question]:
    """Return the questions of one split, in a fixed order that mixes all tables.

    Returns:
        Labelled questions with 3 to 5 options. An id is made of table, fact and number of the
        phrasing, as in `capitals/france/2`.
    """
    drafts = [draft for kind in load_kinds() for draft in _drafts(kind, split)]
    drafts.sort(key=lambda draft: hashed("order", draft.id))
    sizes = deck(_OPTIONS_PER_QUESTION, f"{split}/sizes")
    labels = {n: deck(range(n), f"{split}/labels/{n}") for n in set(_OPTIONS_PER_QUESTION)}
    return [_question(draft, n, next(labels[n])) for draft, n in zip(drafts, sizes, strict=False)]


def _drafts(kind: Kind, split: str) -> Iterator[_Draft]:
    parts = parts_of(kind)
    pool = pool_of(parts, split)
    for fact, count in zip(parts[split], itertools.cycle(_PHRASINGS_PER_FACT), strict=False):
        phrasings = [
            phrasing
            for phrasing in shuffled(kind.phrasings, f"phrasings/{fact.id}")
            if split == "train" or _is_asked_only_in(parts[split], kind, phrasing, fact)
        ]
        for phrasing in phrasings[:count]:
            yield _Draft(kind, phrasing, fact, pool)


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
    wrong = shuffled(wrong, f"options/{draft.id}")
    chosen = sorted(wrong, key=lambda value: value not in alike)[: size - 1]
    assert len(chosen) == size - 1, f"{draft.id}: its table has too few held-out answers"
    options = [value for value in wrong if value in chosen]
    options.insert(label, draft.fact.values[asks])
    return Question(
        id=draft.id,
        stem=draft.phrasing.ask(draft.fact),
        options=tuple(options),
        label=label,
        subject=draft.kind.subject,
    )
