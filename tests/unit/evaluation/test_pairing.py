from dataclasses import replace

import numpy as np
import pytest

from mcqa.errors import ComparisonError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.pairing import align, check_aligned
from mcqa.prediction import Prediction


def run(outcomes, label=0):
    """Return predictions q0, q1, ... that are right where `outcomes` has a 1."""
    return [
        Prediction(
            id=f"q{number}",
            label=label,
            choice=label if right == "1" else None if label is None else label + 1,
            scores=None,
            probabilities=None,
            unit=None,
            scorer="text",
            tokens=1,
        )
        for number, right in enumerate(outcomes)
    ]


def test_runs_are_brought_into_the_order_of_the_first():
    runs = {"x": run("1100")[::-1], "y": run("1010"), "z": run("0001")[2:] + run("00")}
    aligned = align(runs)
    assert list(aligned) == ["x", "y", "z"]
    for name, right in (("x", "0011"), ("y", "0101"), ("z", "1000")):
        assert aligned[name].ids == ("q3", "q2", "q1", "q0")
        assert aligned[name].correct.tolist() == [outcome == "1" for outcome in right]
        check_aligned(aligned["x"], aligned[name])


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([], run("10"), "A has no predictions"),
        (run("10"), [], "B has no predictions"),
        (run("10"), run("101"), r"'q2' is in B \(3 questions\) but not in A \(2 questions\)"),
        (run("101"), run("10"), r"'q2' is in A \(3 questions\) but not in B \(2 questions\)"),
        (run("10"), run("101")[1:], "'q0' is in A .* but not in B"),
        (run("10"), run("10", label=1), "'q0' has label 0 in A and label 1 in B"),
        (run("10") + run("1"), run("10"), "A: question 'q0' is answered 2 times"),
        (run("10"), run("10") + run("1"), "B: question 'q0' is answered 2 times"),
        (run("10", label=None), run("10"), "none of the 2 questions has a label in A and B"),
        (run("10"), run("10", label=None), "none of the 2 questions has a label in A and B"),
    ],
)
def test_runs_over_different_questions_are_refused(a, b, message):
    with pytest.raises(ComparisonError, match=message) as error:
        align({"A": a, "B": b})
    assert any(remedy in str(error.value) for remedy in ("Score", "Give"))


def test_questions_without_a_label_are_left_out_and_the_others_compared():
    bare = replace(run("1")[0], label=None)
    a, b = align({"A": [bare, *run("1011")[1:]], "B": run("0101")}).values()
    assert a.ids == b.ids == ("q1", "q2", "q3")
    assert (a.correct.tolist(), b.correct.tolist()) == ([False, True, True], [True, False, True])


def test_the_third_run_is_held_against_the_first():
    runs = {"x": run("10"), "y": run("01"), "z": run("101")}
    with pytest.raises(ComparisonError, match=r"'q2' is in z .* but not in x"):
        align(runs)


def test_arrays_of_other_questions_are_not_aligned():
    a, other_id, other_label = (
        Answers.from_scores(ids, labels, np.zeros((2, 2)))
        for ids, labels in (("xy", [0, 1]), ("xz", [0, 1]), ("xy", [0, 0]))
    )
    for b in (other_id, other_label):
        with pytest.raises(ComparisonError, match="not aligned"):
            check_aligned(a, b)
