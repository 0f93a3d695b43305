"""Named templates: how a question becomes a prefix and one continuation per option.

The trap: " A" and "A" are different tokens, and a prefix that ends in a space changes every
score. So a prefix ends in a newline or a word, and the continuation carries its own space.
A run stores its template's name; changing a template's text needs a new name.
"""

import hashlib
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mcqa.data.judgements import is_judged, split, whole_stem
from mcqa.data.same import normalise
from mcqa.errors import ConfigError
from mcqa.question import Question

THINKING_STARTS, THINKING_ENDS = "<think>", "</think>"
NO_THINKING = f"{THINKING_STARTS}\n\n{THINKING_ENDS}\n\n"  # as chat templates write it


@dataclass(frozen=True)
class RenderedQuestion:
    """Hold the two parts of a prompt: every option's continuation follows the same prefix."""

    prefix: str
    continuations: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Template:
    """Name a way to write a question down."""

    name: str  # how users and run folders refer to it
    prefix: Callable[[Question], str]  # the text that all options share
    continuation: Callable[[str, str], str]  # from letter and text to what follows the prefix
    lists_options: bool  # whether the prefix shows the options with their letters
    neutral_prefix: str  # what stands there where there is no question, for `pmi`
    description: str

    def render(self, question: Question) -> RenderedQuestion:
        """Return the question's prefix and continuations."""
        continuations = map(self.continuation, question.letters, question.options)
        return RenderedQuestion(self.prefix(question), tuple(continuations))

    def answered(self, question: Question) -> tuple[str, str]:
        """Return the question's prefix and its right answer; of several all, with semicolons."""
        rendered, label = self.render(question), question.label
        right = label if isinstance(label, tuple) else (label,)
        first, *others = (rendered.continuations[index] for index in right)
        return rendered.prefix, "; ".join([first, *map(str.strip, others)])


def _listed_prefix(question: Question) -> str:
    pairs = zip(question.letters, question.options, strict=True)
    listed = " ".join(f"{letter}. {option}." for letter, option in pairs)
    context = f"### Context:\n{question.context}\n\n" if question.context else ""
    return (
        "Choose the correct option for the following question.\n\n"
        f"{context}### Question:\n{question.stem}\n\n### Choice:\n{listed}\n\n### Answer:\n"
    )


def _cloze_prefix(question: Question) -> str:
    context = f"Context: {question.context}\n" if question.context else ""
    return f"{context}Question: {question.stem}\nAnswer:"


@dataclass(frozen=True)
class Shots:
    """Draw worked examples for in-context learning.

    One with several right answers is shown whole to questions of its like. Others get one of its
    options, judged: so are such questions asked where each option is, and one form fits all.

    Args:
        pool: labelled questions to draw from.
        k: how many examples a question gets.
        seed: with the question's id it decides the draw.

    Raises:
        ConfigError: `k` is not positive, or the pool has fewer than k + 1 labelled questions.
    """

    pool: Sequence[Question]
    k: int
    seed: int = 0

    def __post_init__(self):
        labelled = sum(map(_has_answer, self.pool))
        if self.k < 1 or labelled <= self.k:
            raise ConfigError(
                f"shots: {self.k} examples from {labelled} labelled questions; there must be at "
                "least one example and more questions than examples."
            )

    def draw(self, question: Question) -> list[Question]:
        """Return k examples that are other questions; a `ConfigError` where there are too few."""
        digest = hashlib.sha256(f"{self.seed} {question.id}".encode()).digest()
        chance, stem = random.Random(digest), normalise(whole_stem(question))
        others = (
            other
            for other in map(self.pool.__getitem__, _shuffled(len(self.pool), chance))
            if _has_answer(other)
            and other.id != question.id
            and (normalise(whole_stem(other)) != stem or _read_different_contexts(other, question))
        )
        drawn = list(itertools.islice(others, self.k))
        if len(drawn) < self.k:
            raise ConfigError(
                f"shots: only {len(drawn)} of {self.k} examples for question {question.id!r} are "
                "about another question; give a larger pool or fewer shots."
            )
        if is_judged(question):
            return drawn
        return [chance.choice(split(one)) if is_judged(one) else one for one in drawn]


def _has_answer(question: Question) -> bool:
    """Say whether an answer can be shown: there is one known, and of several at least one."""
    return question.label not in (None, ())


def _read_different_contexts(one: Question, other: Question) -> bool:
    """Say whether the same words ask something else; a context left out may be the same."""
    contexts = [normalise(question.context or "") for question in (one, other)]
    return all(contexts) and contexts[0] != contexts[1]


def _shuffled(n: int, chance: random.Random) -> Iterator[int]:
    """Yield `chance.sample(range(n), k=n)`, with no more work than for what is taken of it.

    Source: Fisher and Yates; Durstenfeld (1964), Algorithm 235, doi 10.1145/364520.364540.
    """
    swapped: dict[int, int] = {}
    for left in range(n, 0, -1):
        place = chance.randrange(left)
        yield swapped.get(place, place)
        swapped[place] = swapped.pop(left - 1, left - 1)


def close_thinking(prefix: str) -> str:
    """Return a prompt with the block of thinking closed that some chat templates leave open."""
    before, opened, after = prefix.rpartition(THINKING_STARTS)
    return before + NO_THINKING if opened and not after.strip() else prefix


_LISTED = {"prefix": _listed_prefix, "lists_options": True, "neutral_prefix": "### Answer:\n"}
_TEMPLATES = (
    Template(
        name="cloze",
        prefix=_cloze_prefix,
        continuation=lambda _, option: f" {option}",
        lists_options=False,
        neutral_prefix="Answer:",
        description="the question alone; the continuation is the option's text",
    ),
    Template(
        name="lettered",
        continuation=lambda letter, option: f"{letter} {option}",
        description="options listed with letters; the continuation is letter and text",
        **_LISTED,
    ),
    Template(
        name="hybrid",
        continuation=lambda _, option: option,
        description="options listed with letters; the continuation is the text alone",
        **_LISTED,
    ),
)
TEMPLATES = {template.name: template for template in _TEMPLATES}


def get_template(name: str) -> Template:
    """Return a template by name; a `ConfigError` where there is none."""
    if name not in TEMPLATES:
        raise ConfigError(f"template {name!r} does not exist; there are: {', '.join(TEMPLATES)}.")
    return TEMPLATES[name]
