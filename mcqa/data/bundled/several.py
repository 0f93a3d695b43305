"""Bundled questions with several right answers: which of these pairs belong together?

The options are facts of one table and one side of the split. Some are left as they are, the others
get the value of another fact. Each fact stands in several questions, among others each time.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mcqa.data.bundled.drawing import deck, hashed, shuffled
from mcqa.data.bundled.splits import parts_of, pool_of
from mcqa.data.bundled.tables import Fact, Kind, load_kinds, normalise, right_answers
from mcqa.question import Question

_ROUNDS = 3
_OPTIONS = 4.5  # facts a question, on average
_STEMS = (
    "Which of these pairs of {given} and {asked} are right?",
    "For which of these is the {asked} right?",
    "Which of these match, {given} and {asked}?",
)


class _Draft(NamedTuple):
    kind: Kind
    id: str
    facts: Sequence[Fact]
    pool: Sequence[Fact]
    stem: str


def several_questions(split: str) -> list[Question]:
    """Return the questions of one split, in a fixed order that mixes all tables.

    >>> question = several_questions("test")[0]
    >>> question.kind, 0 < len(question.label) < len(question.options)
    ('several', True)
    """
    drafts = [draft for kind in load_kinds() for draft in _drafts(kind, split)]
    drafts.sort(key=lambda draft: hashed("order", draft.id))
    sizes = {len(draft.facts) for draft in drafts}
    counts = {n: deck(range(1, n), f"{split}/right/{n}") for n in sizes}
    return [_question(draft, next(counts[len(draft.facts)])) for draft in drafts]


def _drafts(kind: Kind, split: str) -> Iterator[_Draft]:
    parts = parts_of(kind)
    facts, pool = parts[split], pool_of(parts, split)
    n_groups = max(1, round(len(facts) / _OPTIONS))
    phrasing = kind.phrasings[0]
    names = {"given": phrasing.given[0], "asked": phrasing.asks}
    names = {key: name.replace("_", " ") for key, name in names.items()}
    for number, stem in enumerate(_STEMS[:_ROUNDS]):
        mixed = shuffled(facts, f"several/{kind.name}/{split}/{number}")
        for place in range(n_groups):
            id = f"several/{kind.name}/{split}-{number}-{place}"
            yield _Draft(kind, id, mixed[place::n_groups], pool, stem.format_map(names))


def _question(draft: _Draft, n_right: int) -> Question:
    phrasing = draft.kind.phrasings[0]
    label = shuffled(range(len(draft.facts)), f"right/{draft.id}")[:n_right]
    values = {place: draft.facts[place].values[phrasing.asks] for place in label}
    for place, fact in enumerate(draft.facts):
        if place not in label:
            values[place] = _wrong_value(draft, fact, set(map(normalise, values.values())))
    return Question(
        id=draft.id,
        stem=draft.stem,
        options=tuple(
            f"{fact.values[phrasing.given[0]]}: {values[place]}"
            for place, fact in enumerate(draft.facts)
        ),
        label=label,
        kind="several",
        subject=draft.kind.subject,
    )


def _wrong_value(draft: _Draft, fact: Fact, shown: set[str]) -> str:
    """Return a value that is wrong for a fact, best one that looks alike.

    One that another option shows would tell that one of the two is wrong.
    """
    phrasing = draft.kind.phrasings[0]
    known = shown | right_answers(draft.kind, phrasing, fact)
    others = shuffled(draft.pool, draft.id + fact.id)
    others.sort(key=lambda other: other.group != fact.group)
    values = [other.values[phrasing.asks] for other in others]
    return next(value for value in values if normalise(value) not in known)
