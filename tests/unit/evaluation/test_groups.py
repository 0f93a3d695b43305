import numpy as np
import pytest

from mcqa.errors import ConfigError
from mcqa.evaluation.groups import by_subject, cluster_numbers, describe_groups, macro_accuracy
from mcqa.evaluation.measures import describe_run
from mcqa.evaluation.metrics import share
from mcqa.question import Question


def test_each_group_is_described_as_if_it_were_alone(random_answers):
    answers = random_answers(40)
    group_of = {id: "even" if number % 2 == 0 else "odd" for number, id in enumerate(answers.ids)}
    groups = describe_groups(answers, group_of, seed=3, resamples=20)
    assert list(groups) == ["even", "odd"]
    assert groups["odd"] == describe_run(answers.take(np.arange(1, 40, 2)), seed=3, resamples=20)
    assert groups["even"]["n"] == groups["even"]["metrics"]["accuracy"]["n"] == 20


def test_groups_are_in_order_and_questions_without_one_are_left_out(answers_of):
    answers = answers_of([0] * 4, [(0.9, 0.1)] * 4)
    numbers = dict(zip(answers.ids, (10, None, 4, 10), strict=True))
    groups = describe_groups(answers, numbers, resamples=5)
    assert [(group, found["n"]) for group, found in groups.items()] == [(4, 1), (10, 2)]


def test_a_question_missing_from_the_groups_is_named(answers_of):
    answers = answers_of([0, 0], [(0.9, 0.1)] * 2)
    with pytest.raises(ConfigError, match=r"'q1' has no group \(1 questions have one\)"):
        describe_groups(answers, {"q0": "x"})


def test_questions_give_their_subject():
    questions = [
        Question(id="a", stem="?", options=("x", "y"), subject="law"),
        Question(id="b", stem="?", options=("x", "y", "z")),
    ]
    assert by_subject(questions) == {"a": "law", "b": None}


def test_questions_without_a_cluster_stand_alone():
    numbers = cluster_numbers("abcde", {"a": "x", "b": None, "c": "x", "d": None, "e": "b"})
    assert numbers.tolist() == [0, 1, 0, 2, 3]
    assert cluster_numbers("ab", None) is None


def test_the_mean_over_groups_counts_each_alike():
    groups = {
        "large": {"metrics": {"accuracy": share(90, 100)}},
        "small": {"metrics": {"accuracy": share(1, 4)}},
    }
    mean = macro_accuracy(groups)
    assert (mean["value"], mean["n"]) == (pytest.approx((0.9 + 0.25) / 2), 2)
    low, high = mean["ci95"]
    assert 0 < low < mean["value"] < high < 1
    assert macro_accuracy({"large": groups["large"]}) is None
    sure = macro_accuracy({key: {"metrics": {"accuracy": share(9, 9)}} for key in "ab"})
    assert sure["ci95"][0] < sure["ci95"][1] == 1


def test_the_interval_of_the_mean_over_groups_covers_what_it_claims():
    rng, rates, sizes = np.random.default_rng(0), (0.3, 0.5, 0.9, 0.97), (8, 40, 25, 60)
    covered = 0
    for _ in range(400):
        drawn = zip(rng.binomial(sizes, rates).tolist(), sizes, strict=True)
        groups = {k: {"metrics": {"accuracy": share(*of)}} for k, of in enumerate(drawn)}
        low, high = macro_accuracy(groups)["ci95"]
        covered += low <= np.mean(rates) <= high
    assert 0.93 <= covered / 400 <= 0.99
