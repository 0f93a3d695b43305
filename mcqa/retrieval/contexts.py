"""What a question gets to read before its stem: its data's context, none, its gold passage, or
passages that are found.

The trap is the passage that gives the answer away: one that belongs to a question (see
`PassageIndex.of_questions`) is never found for it, nor for any other that is answered. `gold` shows
it all the same, since that is what is asked for; what it measures is an upper bound.
"""

import copy
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from mcqa.data.digests import digest
from mcqa.data.judgements import asked_texts
from mcqa.errors import ConfigError
from mcqa.prediction import Retrieved
from mcqa.question import Question
from mcqa.retrieval.index import PassageIndex

KINDS = ("data", "none", "gold", "retrieved")
TOP_K = 3
UPPER_BOUND = "an upper bound: a gold explanation usually names the answer"


class Given(NamedTuple):
    """Hold a question's context and, where it was retrieved, which passages it is made of."""

    context: str | None
    retrieved: tuple[Retrieved, ...] | None = None


class Contexts:
    """Give questions their context.

    Args:
        kind: `data`, the data's own context; `none`; `gold`, the question's context or else its
            explanation; `retrieved`, what BM25 finds for stem and options together, best first,
            without a Yes and No that are the only options.
        index: where to find them, or its folder; for `retrieved` alone.
        top_k: how many, likewise; by default 3.
        held_out: questions whose passages nobody may see: all that are evaluated.

    Raises:
        ConfigError: a setting is out of range, or does not go with the kind.
    """

    def __init__(
        self,
        kind: str = "data",
        *,
        index: PassageIndex | str | os.PathLike | None = None,
        top_k: int | None = None,
        held_out: Sequence[Question] = (),
    ):
        if kind not in KINDS:
            raise ConfigError(f"context {kind!r} does not exist; there are: {', '.join(KINDS)}.")
        if kind != "retrieved" and not (index is None and top_k is None):
            raise ConfigError(f"context {kind!r}: index and top_k are for context 'retrieved'.")
        if kind == "retrieved" and index is None:
            raise ConfigError("context 'retrieved' needs an index to find passages in.")
        if top_k is not None and top_k < 1:
            raise ConfigError(f"top_k {top_k}: must be at least 1.")
        if isinstance(index, str | os.PathLike):
            index = PassageIndex.load(index)
        self.kind = kind
        self.index = index
        self.top_k = (top_k or TOP_K) if index else None
        self._held_out = index.of_questions(held_out) if index else set()

    def holding_out(self, questions: Iterable[Question]) -> "Contexts":
        """Return contexts in which nobody sees these questions' passages either."""
        if not self.index:
            return self
        other = copy.copy(self)
        other._held_out = self._held_out | self.index.of_questions(questions)
        return other

    @property
    def record(self) -> dict:
        """What a run's record says of them; `same_as` compares it."""
        if not self.index:
            return {"kind": self.kind}
        found = {"passages": len(self.index), "checksum": self.index.checksum}
        return {"kind": self.kind, "top_k": self.top_k, "source": self.index.source, **found}

    def same_as(self, record: dict) -> bool:
        """Return whether a run of that record had such contexts, whatever its corpus was called."""
        mine = self.record
        return all(mine.get(key) == record.get(key) for key in ("kind", "top_k", "checksum"))

    @property
    def checksum(self) -> str:
        """What changes with all that decides which passages a question gets."""
        return digest([str(self), sorted(self._held_out)])

    def __str__(self) -> str:
        if not self.index:
            return self.kind
        found = f"{len(self.index):,} passages with checksum {self.index.checksum}"
        return f"{self.kind}, top {self.top_k} of {found}"

    def give(self, questions: Sequence[Question], *, learning: bool = False) -> list[Given]:
        """Return the contexts of questions; with `learning` one may get a passage of another."""
        if not self.index:
            return [Given(self._own(question)) for question in questions]
        apart = self._held_out if learning else self._held_out | self.index.of_questions(questions)
        return [self._retrieve(question, apart) for question in questions]

    def _own(self, question: Question) -> str | None:
        if self.kind == "gold":
            return question.context or question.explanation
        return question.context if self.kind == "data" else None

    def _retrieve(self, question: Question, apart: set[int]) -> Given:
        query = " ".join(asked_texts(question))
        without = apart | self.index.of_questions([question])
        found = self.index.search(query, self.top_k, without)
        context = "\n".join(passage.text for passage, _ in found) or None
        return Given(context, tuple(retrieved for _, retrieved in found))

    def example(self, question: Question) -> Question:
        """Return a question as it is shown as a worked example; nothing is retrieved for one."""
        return replace(question, context=self._own(question))
