"""An evaluation question by question: filtered, sorted, and as a file.

Everything that is filtered by is an array or a list made once, so that 10,000 questions are quick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mcqa.evaluating.analysis import per_question
from mcqa.evaluating.folder import Evaluation, Record
from mcqa.page.answers import confidence, places, variation, verdict
from mcqa.prediction import Prediction
from mcqa.question import Question

SURE = 0.9  # a confidence from which a wrong answer counts as sure and wrong
OUTCOMES = ("all", "only A", "only B", "both", "neither")
SHOWN = 90  # characters of a stem in the list
MARKS = ("sure and wrong", "flipped", "cut")
SORTS = ("disagreement", "order of the file", "confidence of A", "confidence of B")


class Columns(NamedTuple):
    """Hold one run's answers, in the order of the table; NaN where there is no confidence."""

    predictions: list[Prediction]
    right: np.ndarray  # (N,) whether the choice is the label, of `several` exactly this set
    confidence: np.ndarray  # (N,) see `mcqa.page.answers.confidence`
    flipped: np.ndarray  # (N,) whether another order of the options changed the choice
    cut: np.ndarray  # (N,) whether the question was shortened to fit


@dataclass(frozen=True)
class Filter:
    """Say which questions are wanted; of what is given all must hold.

    Args:
        a, b: names of two runs, the same where there is one only.
        outcome: one of `OUTCOMES`, who of the two is right.
        marks: of `MARKS`, what holds for one of the two.
        kinds, subjects: any where there are none.
        text: what stem, context or an option has in it, whatever its case.
        sort: one of `SORTS`.
    """

    a: str
    b: str
    outcome: str = "all"
    marks: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    text: str = ""
    sort: str = "disagreement"


@dataclass(eq=False)
class Table:
    """Hold an evaluation's questions and every run's answers to them, in one order."""

    record: Record
    ids: list[str] = field(init=False)
    runs: dict[str, Columns] = field(init=False)
    _disagreements: dict[tuple[str, str], np.ndarray] = field(init=False, default_factory=dict)

    def __post_init__(self):
        first = self.record.evaluations[0]
        self.ids = [prediction.id for prediction in first.predictions]
        self.runs = {each.name: self._columns(each) for each in self.record.evaluations}

    def _columns(self, evaluation: Evaluation) -> Columns:
        by_id = {prediction.id: prediction for prediction in evaluation.predictions}
        answers = [by_id[id] for id in self.ids]
        flipped = {}
        if evaluation.orders:
            for orders in evaluation.orders.answers:
                choices = {answer.choice for answer in orders}
                flipped[orders[0].id] = len(choices) > 1
        return Columns(
            answers,
            np.array([p.correct for p in answers], dtype=bool),
            np.array([confidence(p) for p in answers], dtype=float),  # None becomes NaN
            np.array([flipped.get(id, False) for id in self.ids], dtype=bool),
            np.array([p.truncated > 0 for p in answers], dtype=bool),
        )

    @cached_property
    def questions(self) -> dict[str, Question]:
        """The questions by id; none where their file was taken away."""
        return {question.id: question for question in self.record.questions}

    @cached_property
    def kinds(self) -> np.ndarray:
        """(N,) each question's kind."""
        return np.array([p.kind for p in self._first], dtype=object)

    @cached_property
    def subjects(self) -> np.ndarray:
        """(N,) each question's subject, empty where it has none."""
        known = (self.questions.get(id) for id in self.ids)
        return np.array([(q and q.subject) or "" for q in known], dtype=object)

    @cached_property
    def stems(self) -> list[str]:
        """Each question's stem on one line, its id where the texts are not known."""
        known = ((id, self.questions.get(id)) for id in self.ids)
        return [" ".join(q.stem.split()) if q else id for id, q in known]

    @cached_property
    def _texts(self) -> list[str]:
        known = (self.questions.get(id) for id in self.ids)
        return [_searched(q) if q else id.lower() for id, q in zip(self.ids, known, strict=True)]

    def disagreement(self, a: str, b: str) -> np.ndarray:
        """(N,) how far two runs' answers lie apart, see `mcqa.page.answers.variation`."""
        if (a, b) not in self._disagreements:
            pairs = zip(self.runs[a].predictions, self.runs[b].predictions, strict=True)
            apart = np.array([variation(*pair) for pair in pairs], dtype=float)
            self._disagreements[a, b] = apart
        return self._disagreements[a, b]

    def find(self, wanted: Filter) -> np.ndarray:
        """Return the places of the questions that a filter lets through, in its order."""
        a, b = self.runs[wanted.a], self.runs[wanted.b]
        outcomes = {
            "all": np.ones(len(self.ids), dtype=bool),
            "only A": a.right & ~b.right,
            "only B": b.right & ~a.right,
            "both": a.right & b.right,
            "neither": ~a.right & ~b.right & self._labelled,
        }
        keep = outcomes[wanted.outcome].copy()
        for mark in wanted.marks:
            keep &= self._marked(mark, a) | self._marked(mark, b)
        if wanted.kinds:
            keep &= np.isin(self.kinds, wanted.kinds)
        if wanted.subjects:
            keep &= np.isin(self.subjects, wanted.subjects)
        places = np.flatnonzero(keep)
        if text := wanted.text.strip().lower():
            places = places[[text in self._texts[place] for place in places]]
        if wanted.sort == "order of the file":
            return places
        keys = {
            "disagreement": lambda: -self.disagreement(wanted.a, wanted.b),
            "confidence of A": lambda: -np.nan_to_num(a.confidence),
            "confidence of B": lambda: -np.nan_to_num(b.confidence),
        }
        return places[np.argsort(keys[wanted.sort]()[places], kind="stable")]

    def _marked(self, mark: str, run: Columns) -> np.ndarray:
        if mark == "sure and wrong":
            with np.errstate(invalid="ignore"):
                return self._labelled & ~run.right & (run.confidence >= SURE)
        return run.flipped if mark == "flipped" else run.cut

    @property
    def _first(self) -> list[Prediction]:
        return next(iter(self.runs.values())).predictions

    @cached_property
    def _labelled(self) -> np.ndarray:
        return np.array([p.label is not None for p in self._first], dtype=bool)

    def lines(self, places: Sequence[int], a: str, b: str) -> list[str]:
        """Return a line per question for the list: its stem, and whether each run is right."""
        lines = []
        for place in places:
            stem = self.stems[place]
            runs = {"A": a} if a == b else {"A": a, "B": b}
            answers = {side: self.runs[name].predictions[place] for side, name in runs.items()}
            told = [f"{side} {verdict(answer)}" for side, answer in answers.items()]
            short = stem if len(stem) <= SHOWN else stem[: SHOWN - 1] + "…"
            lines.append(f"{short} ({', '.join(told)})")
        return lines

    def csv(self, places: Sequence[int], names: Sequence[str]) -> str:
        """Return what two runs answered to some questions, as `per_question.csv` has it."""
        chosen = {name: [self.runs[name].predictions[at] for at in places] for name in names}
        return per_question(chosen, self.questions) if len(places) else ""


def choose(record: Record) -> Sequence[str]:
    """Return the names of the two runs to begin with, one name twice where there is one run."""
    names = list(dict.fromkeys([*record.compared, *(each.name for each in record.evaluations)]))
    return (names * 2)[:2] if len(names) == 1 else names[:2]


def step(at: int, by: int, count: int) -> int:
    """Return a place further on among so many; at the ends it stays."""
    return min(max(at + by, 0), max(count - 1, 0))


def options_of(question: Question | None, answers: Mapping[str, Prediction]) -> list[str]:
    """Return the options' texts; letters in their place where the texts are not known."""
    if question:
        return list(question.options)
    most = max((len(p.scores or ()) for p in answers.values()), default=0)
    named = [at for p in answers.values() for part in (p.label, p.choice) for at in places(part)]
    return ["(text not known)"] * max([most, 2, *(place + 1 for place in named)])


def _searched(question: Question) -> str:
    return "\n".join((question.stem, question.context or "", *question.options)).lower()
