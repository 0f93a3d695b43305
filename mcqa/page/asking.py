"""A question that is being written, and what a model says to it, in all orders too."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mcqa.evaluation.orders import MOST_OPTIONS_FOR_ALL
from mcqa.prediction import Prediction
from mcqa.question import LETTERS, Question
from mcqa.scoring.orders import OrderedAnswer, Plan, mapped_back, reorder
from mcqa.scoring.scorer import Scorer

_one_at_a_time = threading.Lock()  # several browsers, one processor


@dataclass(frozen=True)
class Draft:
    """Hold a question as it stands in the fields of the page; it need not be one yet.

    `template` is None for the run's own; `right` is the text of the right option where it is known.
    """

    stem: str
    options: tuple[str, ...]
    context: str = ""
    template: str | None = None
    right: str | None = None

    @classmethod
    def of(cls, question: Question, template: str | None = None) -> "Draft":
        """Return a question to change."""
        about = question.context or "", template, question.answer
        return cls(question.stem, question.options, *about)

    def question(self) -> Question:
        """Return the question; a QuestionError where it is none."""
        label = self.options.index(self.right) if self.right in self.options else None
        return Question(
            stem=self.stem, options=self.options, context=self.context.strip() or None, label=label
        )

    def query(self) -> dict[str, str | list[str]]:
        """Return what a link to this question says behind its `?`."""
        parts = {"q": self.stem, "option": list(self.options), "context": self.context}
        parts |= {"template": self.template or "", "right": self.right or ""}
        return {name: part for name, part in parts.items() if part}

    @classmethod
    def from_query(cls, query: Mapping[str, Sequence[str]]) -> "Draft | None":
        """Return the question of a link; None where it holds none."""
        if not query.get("q"):
            return None
        one = {name: (query.get(name) or [""])[0] for name in ("q", "context", "template", "right")}
        about = one["context"], one["template"] or None, one["right"] or None
        return cls(one["q"], tuple(query.get("option") or ("", ""))[: len(LETTERS)], *about)


class Reply(NamedTuple):
    """Hold what a model answers; `confidence` is the chosen option's probability, None without."""

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


def ask(scorer: Scorer, question: Question) -> Prediction:
    """Return the model's answer, with the probabilities of its scores as they are."""
    with _one_at_a_time:
        return scorer.score(question)


def reply(prediction: Prediction, temperature: float | None) -> Reply:
    """Return an answer as it is shown: its scores divided by a temperature, if there is one."""
    if temperature is not None:
        prediction = prediction.calibrated(temperature)
    sure = prediction.probabilities
    confidence = sure[prediction.choice] if sure and prediction.choice is not None else None
    return Reply(prediction, confidence, temperature)


def orders_of(question: Question) -> Plan:
    """Return all orders of the options, or the rotations where all would be too many."""
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
    """Return in how many orders another option is chosen than in the question's own."""
    return sum(answer.choice != answers[0].choice for answer in answers)


def shuffle_rows(answers: Sequence[OrderedAnswer], question: Question) -> list[list[str]]:
    """Return a row per order: the options as shown, what is chosen, and whether that is a flip."""
    rows = []
    for answer in answers:
        shown = " / ".join(question.options[place] for place in answer.order)
        chosen = "none" if answer.choice is None else question.options[answer.choice]
        same = answer.choice == answers[0].choice
        rows.append([shown, chosen, "same" if same else "flipped"])
    return rows


def flip_sentence(answers: Sequence[OrderedAnswer]) -> str:
    """Say what other orders change."""
    others, count = len(answers) - 1, flips(answers)
    if not count:
        return f"No flip: the same option is chosen in all {others + 1} orders."
    return f"{count} of {others} other orders choose another option: the answer flips."
