"""Score questions with one model: how long it takes, in other orders, and into a file."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mcqa.evaluation.orders import reorder
from mcqa.prediction import Prediction, write_predictions
from mcqa.prompting.encoded_sets import EncodedSet, encode_set
from mcqa.question import Question
from mcqa.scoring.orders import OrderedAnswer, Orders, Plan, mapped_back
from mcqa.scoring.partial import Part, Partial, describe_work, partial_path
from mcqa.scoring.scorer import Scorer
from mcqa.system import processes


def encode_timed(scorer: Scorer, questions: Sequence[Question]) -> tuple[EncodedSet, float]:
    """Return questions as token ids, and the seconds that took."""
    started = time.perf_counter()
    encoded = encode_set(scorer.encoder, questions, split=scorer.split)
    return encoded, time.perf_counter() - started


def score(
    scorer: Scorer,
    questions: Sequence[Question],
    output: Path,
    *,
    batch_size: int = 16,
    on_progress: Callable[[int], None] | None = None,
    write: Callable[[Path, Sequence[Prediction]], Path] = write_predictions,
    **how,
) -> tuple[list[Prediction], float]:
    """Score questions and write a predictions file, going on where an earlier call was killed.

    Of several processes, all must call it and the main one writes. Returns the predictions and the
    seconds they took. `write` makes the file. Other arguments and errors are those of
    `Scorer.score_many` and `Partial`.
    """
    encoded, encoding = encode_timed(scorer, questions)
    work = describe_work(scorer, encoded, batch_size)
    with Partial(partial_path(output), work, scorer, **how) as partial:
        part = partial.part("questions")
        predictions = scorer.score_encoded(encoded, batch_size, on_progress, part)
        seconds = encoding + part.seconds
        if processes.is_main():
            write(output, predictions)
        partial.finish()
    return predictions, seconds


def score_orders(
    scorer: Scorer,
    questions: Sequence[Question],
    predictions: Sequence[Prediction],
    plan: Plan,
    batch_size: int,
    on_progress: Callable[[int], None] | None,
    part_of: Callable[[str], Part],
) -> Orders:
    """Score each question in all its orders but the original one.

    Each pass has the batches of the first one, as far as it has the same questions. So where the
    prompt does not list the options, every score must come out the same to the last bit.

    Args:
        scorer, questions, batch_size, on_progress: see `Scorer.score_many`.
        predictions: those in the original order, one per question.
        plan: the orders.
        part_of: from a pass's name to where its answers are kept, see `Partial.part`.
    """
    seconds = 0.0
    answers = [
        [OrderedAnswer(p.id, orders[0], p.scores, p.choice)]
        for p, orders in zip(predictions, plan.orders, strict=True)
    ]
    for nth in range(1, max(map(len, plan.orders), default=0)):
        part, asked = part_of(f"order {nth}"), zip(questions, plan.orders, strict=True)
        shown = [reorder(question, orders[nth]) for question, orders in asked if nth < len(orders)]
        results = iter(scorer.score_many(shown, batch_size, on_progress, part))
        for given, orders in zip(answers, plan.orders, strict=True):
            if nth < len(orders):
                given.append(mapped_back(next(results), orders[nth]))
        seconds += part.seconds
    return Orders(plan.kind, plan.seed, seconds, answers)
