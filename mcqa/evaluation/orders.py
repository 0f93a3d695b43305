"""The same question with its options in other orders: does the answer move?

An order is a tuple of original places: the option shown at place i is `options[order[i]]`.
The trap: of two options that score the same, a scorer takes the one shown first. So choices are
made from scores that are already back in the original order.
"""

import itertools
import math
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import UNPARSED, first_best, log_softmax, pad
from mcqa.evaluation.metrics import share
from mcqa.evaluation.resampling import bootstrap, interval, means
from mcqa.evaluation.sets import LIKELY
from mcqa.kinds import KINDS, Label
from mcqa.question import Question

Order = tuple[int, ...]
MOST_OPTIONS_FOR_ALL = 6


def choose_orders(
    kind: str | int, options: int, *, id: str = "", seed: int = 0, setting: str = "permutations"
) -> list[Order]:
    """Return the orders to show one question's options in, the original one first.

    Args:
        kind: `cyclic`, the rotations; `all`; or how many to draw, with few options all there are.
        id, seed: fix the draws, whatever else is asked; questions get different orders.
        setting: what messages call the kind.

    Raises:
        ConfigError: the kind is none of these, or `all` would be more than 720 orders.
    """
    places = tuple(range(options))
    if kind == "cyclic":
        return [places[shift:] + places[:shift] for shift in places]
    if kind == "all":
        if options > MOST_OPTIONS_FOR_ALL:
            raise ConfigError(
                f"question {id!r}: {options} options have {math.factorial(options):,} orders; "
                f"`all` takes up to {MOST_OPTIONS_FOR_ALL} options. Use `cyclic` or a number."
            )
        return list(itertools.permutations(places))
    if not str(kind).isdecimal() or int(kind) < 2:
        raise ConfigError(f"{setting} is {kind!r}; use cyclic, all, or a number from 2 on.")
    rng = np.random.default_rng([seed, zlib.crc32(id.encode())])
    drawn = {places: None}  # a dict keeps its order
    while len(drawn) < min(int(kind), math.factorial(options)):
        drawn[tuple(rng.permutation(options).tolist())] = None
    return list(drawn)


def orders_of(
    question: Question, kind: str | int, *, seed: int = 0, setting: str = "permutations"
) -> list[Order]:
    """Return the orders of one question as `choose_orders` does; of a scale only its own."""
    if KINDS[question.kind].ordered:
        return [tuple(range(len(question.options)))]
    return choose_orders(kind, len(question.options), id=question.id, seed=seed, setting=setting)


def shuffled(question: Question, *, seed: int, epoch: int) -> Question:
    """Return a question in an order that seed, epoch and its id decide; a scale as it is."""
    if KINDS[question.kind].ordered:
        return question
    rng = np.random.default_rng([seed, epoch, zlib.crc32(question.id.encode())])
    return reorder(question, tuple(rng.permutation(len(question.options)).tolist()))


def reorder(question: Question, order: Order) -> Question:
    """Return a question with its options in another order, and what belongs to them gone along.

    Raises:
        ConfigError: its options are levels, whose order says what they mean.
    """
    if KINDS[question.kind].ordered and list(order) != sorted(order):
        raise ConfigError(
            f"question {question.id!r}: its options are levels, from the lowest to the highest, "
            "and have no other order. Leave it out where options change places."
        )
    label = question.label
    if label is not None:
        several = KINDS[question.kind].several
        label = [order.index(each) for each in label] if several else order.index(label)
    held = {name: getattr(question, name) for name in ("options", "targets", "names")}
    moved = {name: show(values, order) for name, values in held.items() if values is not None}
    return replace(question, label=label, **moved)


def show(original: Sequence, order: Order) -> tuple:
    """Return things in the order in which they are shown."""
    return tuple(original[place] for place in order)


def restore(shown: Sequence, order: Order) -> tuple:
    """Return shown things, or their scores, in the original order."""
    return tuple(thing for _, thing in sorted(zip(order, shown, strict=True)))


def average(scores: Sequence[Sequence[Sequence[float]]]) -> np.ndarray:
    """Return log-probabilities (N, O) averaged over orders, of scores in the original order."""
    logs = (log_softmax(np.array(orders_PO, dtype=float)) for orders_PO in scores)
    return pad([np.logaddexp.reduce(log_PO, axis=0) - np.log(len(log_PO)) for log_PO in logs])


def likely(scores_PO: Sequence[Sequence[float]]) -> tuple[int, ...]:
    """Return the options that are likely by the mean over orders of what their log-odds say."""
    probability_O = (1 / (1 + np.exp(-np.array(scores_PO, dtype=float)))).mean(0)
    return tuple(np.flatnonzero(probability_O >= LIKELY).tolist())


class _Numbers(dict):
    """Give sets of indices numbers of their own; an index is its own, and None is UNPARSED."""

    def __missing__(self, choice: Label) -> int:
        if choice is None:
            return UNPARSED
        if not isinstance(choice, tuple):
            return choice
        return self.setdefault(choice, len(self))


def describe_orders(
    label_N: Sequence[Label],
    choices: Sequence[Sequence[Label]],
    scores: Sequence[Sequence[Sequence[float]]] | None = None,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> dict:
    """Return what the order of the options does to a run, as docs/evaluation.md says.

    Intervals of the two means are bootstrapped over questions, the others Wilson's.

    Args:
        label_N: of questions with several right answers the indices of these.
        choices: for each question the choice in each order, the original one first, as an index (or
            indices) in the original order, None where it was not parsed.
        scores: what `average` takes; None from scorers without scores.

    Raises:
        ConfigError: there are not as many labels as questions, or a question has no order.
    """
    if len(label_N) != len(choices) or not choices or not all(choices):
        raise ConfigError(
            f"{len(label_N)} labels, {len(choices)} questions with "
            f"{min(map(len, choices), default=0)} orders or more; give one label per question, "
            "and each question's choice in at least one order."
        )
    number = _Numbers()
    choice_NP = pad([[number[choice] for choice in row] for row in choices])
    known_NP = ~np.isnan(choice_NP)
    right_NP = choice_NP == np.array([number[label] for label in label_N])[:, None]
    orders_N, n = known_NP.sum(1), len(label_N)
    flips = int((known_NP & (choice_NP != choice_NP[:, :1])).any(1).sum())
    times_KN = [(choice_NP == choice).sum(1) for choice in np.unique(choice_NP[known_NP])]
    columns = {
        "consistency": np.max(times_KN, axis=0) / orders_N,
        "accuracy_over_orders": right_NP.sum(1) / orders_N,
    }
    draws = bootstrap(means(columns), n, seed=seed, resamples=resamples)
    by_order = zip(right_NP.sum(0).tolist(), known_NP.sum(0).tolist(), strict=True)
    described = {
        "n": n,
        "answers": int(orders_N.sum()),
        "flips": flips,
        "flip_rate": share(flips, n),
        "accuracy": share(int(right_NP[:, 0].sum()), n),
        **{
            name: {"value": float(column.mean()), "n": n, "ci95": interval(draws[name])}
            for name, column in columns.items()
        },
        "accuracy_by_order": [share(right, known) for right, known in by_order],
        "seed": seed,
        "resamples": resamples,
    }
    if scores is not None:
        if any(isinstance(label, tuple) for label in label_N):
            chosen = [number[likely(orders_PO)] for orders_PO in scores]
        else:
            chosen = first_best(average(scores))
        right_N = np.asarray(chosen) == [number[label] for label in label_N]
        described["averaged_accuracy"] = share(int(right_N.sum()), n)
    return described
