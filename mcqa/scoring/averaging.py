"""A scorer that asks every question in several orders of its options, and averages.

An option's score is the mean of its scores in all the orders. So its log-probability is, up to a
number that all options of the question share, the mean log-probability: the probabilities are the
normalised geometric mean of those of the orders, and of `several` the log-odds are averaged. What a
model adds for a place, it gives to each option in turn, and in complete rotations to all alike. It
costs a scoring for each order: `Prediction.tokens` is their sum.

The trap: a mean that rounds would move the scores of who sees no order. An exact mean of equal
numbers is that number, so that a head on `cloze` scores as it does without, to the last bit.
"""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from statistics import mean

from mcqa.evaluation.orders import Order, choose_orders, orders_of, reorder, restore
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction
from mcqa.prompting.encoded_sets import EncodedSet, encode_set
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.scoring.scorer import Scorer


class AveragingScorer(Scorer):
    """Score questions in several orders; otherwise a `Scorer`, but of none that writes answers.

    Args:
        orders: `cyclic`, `all`, or how many, see `mcqa.evaluation.orders.choose_orders`; a scale is
            scored in its own order alone.
        seed: of the orders that are drawn.

    Raises:
        ConfigError: there are no such orders.
    """

    def __init__(self, *args, orders: str | int, seed: int = 0, **others):
        super().__init__(*args, **others)
        self._how = {"kind": orders, "seed": seed, "setting": "orders"}
        choose_orders(orders, 2, setting="orders")
        self.settings |= {"orders": f"{orders}, averaged, seed {seed}"}

    def _score_parts(
        self,
        encoded: Sequence[EncodedQuestion],
        batch_size: int,
        report: Callable[[float], None],
        kept: MutableMapping[int, list[Prediction]] | None,
    ) -> list[Prediction]:
        """Score order by order; a question is reported as done by a fraction for each pass.

        Each pass has the batches of the first, as far as it has the same questions.
        """
        stored = isinstance(encoded, EncodedSet)
        questions = encoded.questions if stored else [one.question for one in encoded]
        orders = [orders_of(question, **self._how) for question in questions]
        passes = max(map(len, orders), default=1)
        kept = {} if kept is None else kept
        answers = [[] for _ in orders]
        for nth in range(passes):
            asked = [given for given, own in zip(answers, orders, strict=True) if nth < len(own)]
            shown = encoded
            if nth:
                pairs = zip(questions, orders, strict=True)
                turned = [reorder(question, own[nth]) for question, own in pairs if nth < len(own)]
                shown = encode_set(self.encoder, turned) if stored else self.encoder.encode(turned)
            predictions = super()._score_parts(
                shown, batch_size, lambda count: report(count / passes), _Pass(kept, nth, passes)
            )
            for given, prediction in zip(asked, predictions, strict=True):
                given.append(prediction)
            report((len(orders) - len(asked)) / passes)
        return list(map(average, answers, orders))


def average(predictions: Sequence[Prediction], orders: Sequence[Order]) -> Prediction:
    """Return the prediction of the mean scores of one question, each asked in its order.

    Of equal mean scores the first in the original order is chosen.
    """
    first, kind = predictions[0], KINDS[predictions[0].kind]
    restored = [restore(p.scores, order) for p, order in zip(predictions, orders, strict=True)]
    scores = tuple(map(mean, zip(*restored, strict=True)))
    return replace(
        first,
        choice=kind.choose(scores),
        scores=scores,
        probabilities=kind.probabilities(scores),
        tokens=sum(prediction.tokens for prediction in predictions),
        truncated=max(prediction.truncated for prediction in predictions),
    )


class _Pass(dict):
    """The batches of one pass among those that are kept of all; what is put in goes there too."""

    def __init__(self, kept: MutableMapping, nth: int, passes: int):
        own = {key // passes: kept[key] for key in kept if key % passes == nth}
        super().__init__(own)
        self._kept, self._nth, self._passes = kept, nth, passes

    def __setitem__(self, number: int, predictions: list[Prediction]) -> None:
        super().__setitem__(number, predictions)
        self._kept[number * self._passes + self._nth] = predictions
