"""A question that is being written, and what a model says to it, in all orders too."""

import contextlib
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mcqa.errors import McqaError
from mcqa.evaluation.orders import MOST_OPTIONS_FOR_ALL, reorder
from mcqa.kinds import KINDS, Label
from mcqa.page.answers import confidence, named, places
from mcqa.page.sources import stamp
from mcqa.prediction import Prediction
from mcqa.question import MOST_OPTIONS, Question
from mcqa.scoring.loading import load_scorer
from mcqa.scoring.orders import OrderedAnswer, Plan, mapped_back
from mcqa.scoring.scorer import Scorer

SIDE_BY_SIDE = 3  # runs that are opened at once; more can be chosen
LOADED = 8  # scorers that are kept
_one_at_a_time = threading.Lock()  # several browsers, one processor
_one_load = threading.Lock()
_locks: dict[tuple, threading.Lock] = {}  # of each model, for who waits until it is loaded


@dataclass(frozen=True)
class Draft:
    """Hold a question as it stands in the fields of the page; it need not be one yet.

    Args:
        template: None for the run's own.
        kind: as of `Question`.
        right: the texts of the right options, none of them being an answer too; None where it is
            not known.
    """

    stem: str
    options: tuple[str, ...]
    context: str = ""
    template: str | None = None
    kind: str = "choice"
    right: tuple[str, ...] | None = None

    @classmethod
    def of(cls, question: Question, template: str | None = None) -> "Draft":
        """Return a question to change."""
        context, label = question.context or "", question.label
        right = None if label is None else tuple(question.options[at] for at in places(label))
        return cls(question.stem, question.options, context, template, question.kind, right)

    def question(self) -> Question:
        """Return the question; a QuestionError where it is none."""
        told = {"stem": self.stem, "options": self.options, "kind": self.kind}
        return Question(**told, context=self.context.strip() or None, label=self._label())

    def _label(self) -> Label:
        """Return the right options; None where one of their texts is no option any more."""
        if self.right is None or not set(self.right) <= set(self.options):
            return None
        label = tuple(self.options.index(text) for text in self.right)
        if KINDS[self.kind].several:
            return label
        return label[0] if len(label) == 1 else None

    def query(self) -> dict[str, str | list[str]]:
        """Return what a link to this question says behind its `?`."""
        parts = {"q": self.stem, "option": list(self.options), "context": self.context}
        parts |= {"template": self.template or "", "right": self._right_in_query()}
        parts["kind"] = "" if self.kind == Question.kind else self.kind
        return {name: part for name, part in parts.items() if part}

    def _right_in_query(self) -> list[str]:
        """Return the right options, a blank text where none of them is, nothing if not known."""
        return [] if self.right is None else list(self.right) or [""]

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]]) -> "Draft | None":
        """Return the question of a link; None where it holds none."""
        if not query.get("q"):
            return None
        one = {name: (query.get(name) or [""])[0] for name in ("q", "context", "template", "kind")}
        kind = one["kind"] if one["kind"] in KINDS else Question.kind
        options = tuple(query.get("option") or KINDS[kind].options or ("", ""))[:MOST_OPTIONS]
        right = query.get("right")
        known = tuple(filter(None, right)) if right else None
        return cls(one["q"], options, one["context"], one["template"] or None, kind, known)

    def as_kind(self, kind: str) -> "Draft":
        """Return it as a question of another kind, with that one's options where it has some."""
        options, own = KINDS[kind].options, KINDS[self.kind].options
        if options:
            return replace(self, kind=kind, options=options, right=None)
        return replace(self, kind=kind, right=None if own else self.right)


class Reply(NamedTuple):
    """Hold what a model answers; for `confidence` see `mcqa.page.answers.confidence`."""

    prediction: Prediction
    confidence: float | None
    temperature: float | None  # by which the scores were divided

    def abstains(self, least: float) -> bool:
        """Whether the model is less sure than it has to be."""
        return self.confidence is not None and self.confidence < least


def moved(places: Sequence[int], at: int, by: int) -> list[int]:
    """Return a list with one item further up or down; at its ends it stays.

    >>> moved([7, 8, 9], 0, 1)
    [8, 7, 9]
    """
    items = list(places)
    to = min(max(at + by, 0), len(items) - 1)
    items.insert(to, items.pop(at))
    return items


def load(model: str, settings: tuple[tuple[str, object], ...], stamp: float) -> Scorer:
    """Return a model's scorer, loaded once for all browsers.

    Args:
        settings: arguments of `load_scorer`, as pairs.
        stamp: another one loads anew; see `mcqa.page.sources.stamp`.
    """
    with _locks.setdefault((model, settings, stamp), threading.Lock()):
        return _loaded(model, settings, stamp)


@functools.lru_cache(maxsize=LOADED)
def _loaded(model: str, settings: tuple, stamp: float) -> Scorer:
    with _one_load:
        return load_scorer(model, **dict(settings))


def load_ahead(models: Sequence[str]) -> None:
    """Load what the page opens on before a browser asks; what is wrong the page says then."""
    for model in models[:SIDE_BY_SIDE]:
        with contextlib.suppress(McqaError, OSError, MemoryError):
            load(model, (), stamp(model))


def ask(scorer: Scorer, question: Question) -> Prediction:
    """Return the model's answer, with the probabilities of its scores as they are."""
    with _one_at_a_time:
        return scorer.score(question)


def reply(prediction: Prediction, temperature: float | None) -> Reply:
    """Return an answer as it is shown: its scores divided by a temperature, if there is one."""
    if temperature is not None:
        prediction = prediction.calibrated(temperature)
    return Reply(prediction, confidence(prediction), temperature)


def orders_of(question: Question) -> Plan:
    """Return all orders of the options, or the rotations where all would be too many.

    The levels of a scale have one order only.
    """
    kind = "all" if len(question.options) <= MOST_OPTIONS_FOR_ALL else "cyclic"
    return Plan.of(kind, [question], seed=0)


def shuffle(
    scorer: Scorer, question: Question, on_progress: Callable[[int], None] | None = None
) -> list[OrderedAnswer]:
    """Return the model's answers to a question in all orders of its options, its own first."""
    (orders,) = orders_of(question).orders
    asked = [reorder(question, order) for order in orders]
    with _one_at_a_time:
        answers = scorer.score_many(asked, on_progress=on_progress)
    return [mapped_back(*pair) for pair in zip(answers, orders, strict=True)]


def flips(answers: Sequence[OrderedAnswer]) -> int:
    """Return in how many orders the choice is another one than in the question's own."""
    return sum(answer.choice != answers[0].choice for answer in answers)


def shuffle_rows(answers: Sequence[OrderedAnswer], question: Question) -> list[list[str]]:
    """Return a row per order: the options as shown, what is chosen, and whether that is a flip."""
    rows = []
    for answer in answers:
        shown = " / ".join(question.options[place] for place in answer.order)
        chosen = "not read" if answer.choice is None else named(question.options, answer.choice)
        same = answer.choice == answers[0].choice
        rows.append([shown, chosen, "same" if same else "flipped"])
    return rows


def flip_sentence(answers: Sequence[OrderedAnswer]) -> str:
    """Say what other orders change."""
    others, count = len(answers) - 1, flips(answers)
    if not others:
        return "The options are levels, which have no other order: nothing is shuffled."
    if not count:
        return f"No flip: the same is chosen in all {others + 1} orders."
    return f"{count} of {others} other orders choose otherwise: the answer flips."
