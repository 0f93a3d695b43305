import dataclasses
import json
import math

import numpy as np
import pytest

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.orders import (
    average,
    choose_orders,
    describe_orders,
    orders_of,
    reorder,
    restore,
    show,
    shuffled,
)
from mcqa.question import Question


def describe_scores(labels, scores):
    """Describe the orders of a run that chooses the first of the highest scores."""
    choices = [[row.index(max(row)) for row in of_question] for of_question in scores]
    return describe_orders(labels, choices, scores, resamples=20)


def test_rotations_bring_every_option_to_every_place_once():
    orders = choose_orders("cyclic", 4)
    assert orders[0] == (0, 1, 2, 3)
    assert len(orders) == 4
    for place in range(4):
        assert {order[place] for order in orders} == {0, 1, 2, 3}


def test_all_orders_are_there_and_the_original_one_is_first():
    orders = choose_orders("all", 4)
    assert len(set(orders)) == 24
    assert orders[0] == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("count", "options", "found"), [(5, 4, 5), ("5", 4, 5), (9, 3, 6), (2, 2, 2)]
)
def test_drawn_orders_are_different_ones_and_the_original_is_first(count, options, found):
    orders = choose_orders(count, options, id="q1", seed=3)
    assert len(orders) == len(set(orders)) == found
    assert orders[0] == tuple(range(options))
    assert all(sorted(order) == list(range(options)) for order in orders)


def test_drawn_orders_are_fixed_by_seed_and_id():
    drawn = choose_orders(5, 6, id="q1", seed=3)
    assert drawn == choose_orders(5, 6, id="q1", seed=3)
    assert drawn[:3] == choose_orders(3, 6, id="q1", seed=3)
    assert drawn != choose_orders(5, 6, id="q2", seed=3)
    assert drawn != choose_orders(5, 6, id="q1", seed=4)


@pytest.mark.parametrize("kind", ["random", "", "-3", 1, 0, "1.5"])
def test_a_kind_that_is_none_is_refused(kind):
    with pytest.raises(ConfigError, match="use cyclic, all, or a number from 2"):
        choose_orders(kind, 4)


def test_too_many_orders_are_refused():
    assert len(choose_orders("all", 6)) == 720
    with pytest.raises(ConfigError, match=r"'q': 7 options have 5,040 orders"):
        choose_orders("all", 7, id="q")


@pytest.mark.parametrize("order", choose_orders("all", 4))
def test_what_is_shown_is_restored(order):
    original = ("w", "x", "y", "z")
    shown = show(original, order)
    assert all(shown[place] == original[order[place]] for place in range(4))
    assert restore(shown, order) == original


def test_a_run_that_does_not_look_at_the_order_never_flips():
    rng = np.random.default_rng(0)
    labels, scores = [], []
    for number in range(50):
        original = np.round(rng.normal(size=2 + number % 4), 1)  # with ties
        orders = choose_orders("all", len(original))
        scores.append([restore(show(original, order), order) for order in orders])
        labels.append(number % len(original))
    result = describe_scores(labels, scores)
    assert (result["n"], result["flips"]) == (50, 0)
    assert result["flip_rate"] == {"value": 0.0, "n": 50, "ci95": list(wilson_interval(0, 50))}
    assert result["consistency"] == {"value": 1.0, "n": 50, "ci95": [1.0, 1.0]}
    accuracy = result["accuracy"]["value"]
    assert 0 < accuracy < 1
    assert result["accuracy_over_orders"]["value"] == pytest.approx(accuracy)
    assert result["averaged_accuracy"]["value"] == accuracy


def test_a_run_that_always_says_a_flips_every_question():
    labels, scores = [0, 2, 1], []
    for options in (4, 3, 2):
        say_a = [1.0] + [0.0] * (options - 1)
        scores.append([restore(say_a, order) for order in choose_orders("cyclic", options)])
    result = describe_scores(labels, scores)
    assert (result["answers"], result["flips"]) == (9, 3)
    assert result["accuracy"]["value"] == 1 / 3
    assert result["consistency"]["value"] == pytest.approx((1 / 4 + 1 / 3 + 1 / 2) / 3)
    # each option is said once: right in one of four, one of three, one of two orders
    assert result["accuracy_over_orders"]["value"] == pytest.approx((1 / 4 + 1 / 3 + 1 / 2) / 3)
    assert [a["n"] for a in result["accuracy_by_order"]] == [3, 3, 2, 1]
    assert [a["value"] for a in result["accuracy_by_order"]] == [1 / 3, 1 / 3, 1 / 2, 0]
    # the averages are level, so that the first option is chosen
    assert result["averaged_accuracy"]["value"] == 1 / 3
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_choices_of_generated_answers_are_counted_by_hand():
    choices = [[0, 0, 1, 0], [1, 1, 1], [None, None, 2]]
    result = describe_orders([0, 1, 2], choices, resamples=500)
    assert (result["flips"], result["flip_rate"]["value"]) == (2, 2 / 3)
    assert result["consistency"]["value"] == pytest.approx((3 / 4 + 1 + 2 / 3) / 3)
    assert result["accuracy"]["value"] == 2 / 3
    assert result["accuracy_over_orders"]["value"] == pytest.approx((3 / 4 + 1 + 1 / 3) / 3)
    low, high = result["accuracy_over_orders"]["ci95"]
    assert 1 / 3 <= low < high <= 1


def test_averaging_takes_probabilities_not_scores():
    # 0.9 and 0.2 for the first option: mean 0.55, but the mean of the log-odds favours the other
    scores = [[(math.log(9), 0.0), (0.0, math.log(4))], [(0.0, 0.0, math.log(2))] * 2]
    np.testing.assert_allclose(np.exp(average(scores)), [[0.55, 0.45, np.nan], [0.25, 0.25, 0.5]])
    answers = Answers.from_scores("ab", [0, 2], average(scores))
    assert answers.correct.all()


@pytest.mark.parametrize(("labels", "choices"), [([0], []), ([], []), ([0, 1], [[0], []])])
def test_a_question_without_an_order_is_refused(labels, choices):
    with pytest.raises(ConfigError, match="at least one order"):
        describe_orders(labels, choices)


def asked(kind="choice", options=("a", "b", "c", "d"), **more):
    return Question(id="q", stem="Which?", kind=kind, options=options, **more)


def test_what_belongs_to_an_option_goes_where_it_goes():
    several = asked("several", label=(0, 3), targets=(0.9, 0.2, 0.1, 0.8), names=tuple("wxyz"))
    shown = reorder(several, (3, 1, 0, 2))
    assert (shown.options, shown.label, shown.names) == (tuple("dbac"), (0, 2), tuple("zxwy"))
    assert shown.targets == (0.8, 0.2, 0.9, 0.1)
    assert reorder(shown, (2, 1, 3, 0)) == several
    one = reorder(asked(label=1), (3, 1, 0, 2))
    assert (one.label, one.answer, one.targets, one.names) == (1, "b", None, None)
    assert reorder(asked(), (3, 1, 0, 2)).label is None


def test_a_scale_has_no_other_order():
    scale = asked("scale", label=1)
    assert orders_of(scale, "all") == [(0, 1, 2, 3)]
    assert {shuffled(scale, seed=0, epoch=epoch) for epoch in range(9)} == {scale}
    assert reorder(scale, (0, 1, 2, 3)) == scale
    with pytest.raises(ConfigError, match="levels, from the lowest to the highest"):
        reorder(scale, (1, 0, 2, 3))


@pytest.mark.parametrize("kind", ["choice", "several", "yes_no"])
def test_every_other_kind_is_shuffled_by_seed_epoch_and_id(kind):
    options = ("a", "b") if kind == "yes_no" else tuple("abcdef")
    question = asked(kind, options, label=[1] if kind == "several" else 1)
    drawn = {(s, e): shuffled(question, seed=s, epoch=e) for s in range(6) for e in range(6)}
    assert all(shown.answer == question.answer for shown in drawn.values())
    for nth in range(6):  # the epoch matters, and the seed does
        assert len({drawn[nth, epoch].options for epoch in range(6)}) > 1
        assert len({drawn[seed, nth].options for seed in range(6)}) > 1
    assert shuffled(question, seed=3, epoch=2) == drawn[3, 2]
    many = [dataclasses.replace(question, id=f"q{n}") for n in range(20)]
    assert len({shuffled(one, seed=0, epoch=0).options for one in many}) > 1
