import pytest

from mcqa.study.costs import costs_to_reach


def condition(size, seconds=True, **accuracies):
    return {
        "size": size,
        "arms": [{"name": name, "accuracy": {"value": v}} for name, v in accuracies.items()],
        "costs": {n: {"training_seconds": size / 10 if seconds else None} for n in accuracies},
    }


def test_costs_are_read_off_the_lines_between_the_sizes():
    curves = [condition(100, a=0.52, b=0.41), condition(200, a=0.56, b=0.51)]
    rows = costs_to_reach([*curves, condition(400, a=0.54, b=0.57)])
    assert [row["accuracy"] for row in rows] == pytest.approx([0.45, 0.5, 0.55])
    first, second, third = (row["arms"] for row in rows)
    assert first["a"] == {"questions": 100, "training_seconds": 10, "at_most": True}
    # 0.41 to 0.51 over 100 questions
    assert first["b"]["questions"] == 140
    assert first["b"]["training_seconds"] == pytest.approx(14)
    assert second["b"]["questions"] == 190
    # the first time, though it falls again; and two thirds of the way from 0.51 to 0.57
    assert third["a"]["questions"] == 175
    assert third["b"] == {
        "questions": 333,
        "training_seconds": pytest.approx(100 / 3),
        "at_most": False,
    }


def test_an_accuracy_that_is_not_reached_has_no_cost():
    rows = costs_to_reach([condition(10, a=0.2, b=0.2), condition(20, a=0.3, b=0.2)])
    assert rows[-1]["accuracy"] == pytest.approx(0.3)
    assert rows[-1]["arms"]["b"] is None


def test_only_the_highest_accuracies_are_told_and_unknown_times_stay_unknown():
    rows = costs_to_reach([condition(10, seconds=False, a=0.1), condition(20, a=0.9)])
    assert [row["accuracy"] for row in rows] == pytest.approx([0.75, 0.8, 0.85, 0.9])
    assert rows[0]["arms"]["a"]["training_seconds"] is None


def test_a_single_size_or_all_questions_tell_nothing():
    assert costs_to_reach([condition(10, a=0.5)]) == []
    curves = [condition(10, a=0.5), condition(20, a=0.6) | {"size": None}]
    assert costs_to_reach(curves) == []
