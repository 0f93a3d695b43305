"""The same questions with their options in other orders: which, their answers, what they show.

The first order of a question is its own, whose answer is there already and is not scored again.
Every choice is mapped back to the original order before it is kept or compared.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcqa.errors import DataError
from mcqa.evaluation.orders import Order, describe_orders, orders_of, restore
from mcqa.evaluation.pride import describe_pride
from mcqa.kinds import KINDS, Label
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.system.files import write_whole

ORDERS_FILE = "permutations.jsonl"
ORDERED = "permutation", "shown_scores", "choice"  # beside the id, in a line
COMPLETE = ("cyclic", "all")
NEEDS_LABELS = ("accuracy", "accuracy_over_orders", "accuracy_by_order", "averaged_accuracy")


@dataclass(frozen=True)
class Plan:
    """Hold the orders of each question's options, the original one first; see `choose_orders`."""

    kind: str
    seed: int
    orders: list[list[Order]]

    @classmethod
    def of(cls, kind: str, questions: Sequence[Question], seed: int, **how) -> "Plan":
        """Choose each question's orders; as `mcqa.evaluation.orders.choose_orders`, also `how`."""
        return cls(kind, seed, [orders_of(q, kind, seed=seed, **how) for q in questions])

    @property
    def scorings(self) -> int:
        """How many questions are scored, those in the original order included."""
        return sum(map(len, self.orders))

    def __str__(self) -> str:
        """Say what scoring takes, as `1,221 questions x 5 orders = 6,105`."""
        counts = sorted({len(orders) for orders in self.orders})
        many = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
        return f"{len(self.orders):,} questions x {many} orders = {self.scorings:,}"


@dataclass(frozen=True)
class OrderedAnswer:
    """Hold a question's answer with its options in one order, as a line of `permutations.jsonl`.

    `order` has the original place of the option at each place shown; `shown_scores` are in that
    order, None from scorers without scores; `choice` is in the original one, None if not parsed.
    """

    id: str
    order: Order
    shown_scores: tuple[float, ...] | None
    choice: Label

    @property
    def scores(self) -> tuple[float, ...] | None:
        """The options' scores in the original order."""
        return self.shown_scores and restore(self.shown_scores, self.order)


@dataclass(frozen=True)
class Orders:
    """Hold a run's answers in all orders of a plan, and the seconds that all but the first took."""

    kind: str
    seed: int
    seconds: float
    answers: list[list[OrderedAnswer]]

    @property
    def settings(self) -> dict:
        """What `read_orders` needs beside the file."""
        return {"kind": self.kind, "seed": self.seed, "seconds": self.seconds}


def mapped_back(prediction: Prediction, order: Order) -> OrderedAnswer:
    """Map an answer back: of equal scores the first in the original order is chosen."""
    choice = prediction.choice
    if KINDS[prediction.kind].several:
        choice = choice and tuple(sorted(order[each] for each in choice))
    elif prediction.scores is not None:
        scores = restore(prediction.scores, order)
        choice = scores.index(max(scores))
    elif choice is not None:
        choice = order[choice]
    return OrderedAnswer(prediction.id, order, prediction.scores, choice)


def write_orders(folder: Path, orders: Orders) -> None:
    """Write `permutations.jsonl`: a line per question and order."""
    rows = [
        {"id": a.id, "permutation": a.order, "shown_scores": a.shown_scores, "choice": a.choice}
        for answers in orders.answers
        for a in answers
    ]
    write_whole(folder / ORDERS_FILE, "".join(json.dumps(row) + "\n" for row in rows))


def read_orders(folder: Path, predictions: Sequence[Prediction], settings: dict) -> Orders:
    """Read what `write_orders` wrote; DataError where it is not about these predictions."""
    path, answers = folder / ORDERS_FILE, {prediction.id: [] for prediction in predictions}
    try:
        with path.open(encoding="utf-8") as file:
            for row in map(json.loads, file):
                order, scores, choice = (row[key] for key in ORDERED)
                choice = tuple(choice) if isinstance(choice, list) else choice
                answer = row["id"], tuple(order), scores and tuple(scores), choice
                answers[row["id"]].append(OrderedAnswer(*answer))
        first = [rows[0].choice for rows in answers.values()]
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise DataError(
            f"{path}: not the answers to this run's questions in other orders "
            f"({type(error).__name__}: {error}). Evaluate again with --permutations."
        ) from error
    if first != [prediction.choice for prediction in predictions]:
        raise DataError(
            f"{path}: its answers in the original order are not those of predictions.jsonl. "
            "Evaluate again with --permutations."
        )
    return Orders(answers=list(answers.values()), **settings)


def describe_run_orders(
    orders: Orders, predictions: Sequence[Prediction], *, listed: bool, scorer: str
) -> dict:
    """Return the `permutations` of `metrics.json`; `listed` says if the template lists options.

    Beside what `describe_orders` returns, it has `largest_score_change` of any option between two
    orders (None without scores) and, for `letter` in complete rotations, `pride`. Over the labelled
    questions; where there is none over all, without what needs labels.
    """
    pairs = list(zip(predictions, orders.answers, strict=True))
    labelled = [(p.label, answers) for p, answers in pairs if p.label is not None]
    label_N, answers = zip(*(labelled or [(0, answers) for _, answers in pairs]), strict=True)

    def of_all(name: str) -> list[list]:
        return [[getattr(answer, name) for answer in answers_P] for answers_P in answers]

    scored = all(map(all, of_all("shown_scores")))
    scores = of_all("scores") if scored else None
    described = describe_orders(label_N, of_all("choice"), scores, seed=orders.seed)
    for name in () if labelled else NEEDS_LABELS:
        described.pop(name, None)
    changes = [float(np.ptp(np.array(scores_PO), axis=0).max()) for scores_PO in scores or ()]
    result = {"kind": orders.kind, "options_listed": listed, "seconds": orders.seconds, **described}
    result["largest_score_change"] = max(changes, default=None)
    if labelled and scorer == "letter" and orders.kind in COMPLETE:
        shown = of_all("order"), of_all("shown_scores")
        result["pride"] = describe_pride(label_N, *shown, seed=orders.seed)
    return result
