import json

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from mcqa.errors import ComparisonError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.comparison import compare
from mcqa.evaluation.measures import describe_run, run_statistic
from mcqa.evaluation.paired import (
    agreement,
    bootstrap_differences,
    describe_pair,
    mean_differences,
)
from mcqa.evaluation.pairing import align
from mcqa.evaluation.resampling import observed
from mcqa.evaluation.significance import mcnemar, minimum_detectable_difference
from mcqa.evaluation.table import metrics_of

CHOICE = metrics_of("choice")


def described(a, b, resamples=50, **settings):
    """Describe a pair with few draws."""
    how = {"resamples": resamples, **settings}
    accuracies = compare(a.correct, b.correct, ("a", "b"), **how)
    return describe_pair(a, b, accuracies, other_resamples=50, permutations=99, **how)


def test_a_pair_is_described_in_plain_json(random_answers):
    a, b = random_answers(90, seed=1), random_answers(90, seed=2)
    description = described(a, b)
    assert json.loads(json.dumps(description, allow_nan=False)) == description
    assert list(description["metrics"]) == list(CHOICE)
    table = description["table"]
    assert sum(table.values()) == description["n"] == 90
    assert table["both"] + table["a_only"] == a.correct.sum()
    assert table["both"] + table["b_only"] == b.correct.sum()
    assert description["mcnemar"] == mcnemar(table["a_only"], table["b_only"])
    assert description["minimum_detectable_difference"] == minimum_detectable_difference(
        table["a_only"] + table["b_only"], 90
    )
    assert description["clusters"] is None


def test_every_difference_is_that_of_the_two_descriptions(random_answers):
    a, b = random_answers(90, seed=1), random_answers(90, seed=2, strength=2.0)
    metrics = described(a, b)["metrics"]
    in_a, in_b = (observed(run_statistic(run), 90) for run in (a, b))
    for name, metric in metrics.items():
        assert metric["a"] == pytest.approx(in_a[name])
        assert metric["b"] == pytest.approx(in_b[name])
        assert metric["difference"] == pytest.approx(in_b[name] - in_a[name])
        assert metric["ci95"][0] <= metric["ci95"][1]
        assert metric["n"] == 90
    for name in ("accuracy", "mrr", "nll", "brier", "auroc", "macro_f1"):
        assert metrics[name]["ci95"][0] < metrics[name]["difference"] < metrics[name]["ci95"][1]
    assert {name for name in CHOICE if "p_value" in metrics[name]} == {
        "accuracy", "top2", "mrr", "map3", "nll", "brier",
    }  # fmt: skip
    assert metrics["nll"]["p_value"] < 0.05


@pytest.mark.parametrize("cluster_N", [None, np.arange(40) % 9])
def test_draws_are_those_of_a_plain_loop_over_questions(random_answers, cluster_N):
    a, b = random_answers(40, seed=1), random_answers(40, seed=2)
    draws = bootstrap_differences(
        a, b, seed=4, resamples=30, other_resamples=20, cluster_N=cluster_N
    )
    rng = np.random.default_rng(4)
    for number in range(20):
        if cluster_N is None:
            index = rng.integers(40, size=40)
        else:
            index = np.concatenate(
                [np.flatnonzero(cluster_N == group) for group in rng.integers(9, size=9)]
            )
        in_a, in_b = (observed(run_statistic(run.take(index)), len(index)) for run in (a, b))
        # the bins of the one stay those of the data; the other is drawn in a comparison
        for name in set(CHOICE) - {"ece_equal_mass", "accuracy"}:
            assert draws[name][number] == pytest.approx(in_b[name] - in_a[name]), name
    assert (len(draws["nll"]), len(draws["auroc"])) == (30, 20)


def test_the_same_run_twice_differs_by_nothing(random_answers):
    a = random_answers(50)
    description = described(a, a)
    for name, metric in description["metrics"].items():
        assert (metric["difference"], metric["ci95"]) == (0.0, [0.0, 0.0]), name
        assert metric.get("p_value", 1.0) == 1.0
    assert (description["agreement"]["share"], description["agreement"]["kappa"]) == (1.0, 1.0)
    assert description["minimum_detectable_difference"] is None


def test_probabilities_are_compared_where_both_have_them(random_answers):
    a, b = random_answers(80, seed=1, unscored=0.3), random_answers(80, seed=2, unscored=0.3)
    common = a.scored & b.scored
    metrics = described(a, b)["metrics"]
    for side, run in (("a", a), ("b", b)):
        expected = describe_run(run.take(common), resamples=1)["metrics"]
        for name in ("nll", "auroc", "ece", "ece_equal_mass"):
            assert metrics[name][side] == pytest.approx(expected[name]["value"])
            assert metrics[name]["n"] == common.sum()
    assert metrics["accuracy"]["n"] == 80
    assert np.isnan(mean_differences(a, b)["nll"]).tolist() == (~common).tolist()


def test_a_scored_run_and_a_generated_one_share_the_metrics_of_choices(scored, generated):
    a = [scored("x", 0, [1.0, 0.0]), scored("y", 1, [1.0, 0.0]), scored("z", 0, [1.0, 0.0])]
    b = [generated("z", 0, None), generated("y", 1, 1), generated("x", 0, 0)]
    description = described(*align({"a": a, "b": b}).values())
    assert description["table"] == {"both": 1, "a_only": 1, "b_only": 1, "neither": 0}
    assert description["metrics"]["accuracy"]["difference"] == 0.0
    nll = description["metrics"]["nll"]
    assert (nll["difference"], nll["ci95"], nll["n"]) == (None, None, 0)
    assert description["metrics"]["accuracy"]["p_value"] == 1.0


def test_groups_widen_the_interval_of_questions_that_say_the_same(random_answers):
    a, b = random_answers(60, seed=1), random_answers(60, seed=2)
    five = np.repeat(np.arange(60), 5)
    ids = [f"{i}" for i in range(300)]
    a, b = (
        Answers(tuple(ids), run.labels[five], run.choices[five], run.log_probabilities[five])
        for run in (a, b)
    )
    alone, grouped = (described(a, b, resamples=2000, cluster_N=c) for c in (None, five))
    assert (alone["clusters"], grouped["clusters"]) == (None, 60)

    def width(description, name):
        low, high = description["metrics"][name]["ci95"]
        return high - low

    for name in ("accuracy", "nll"):
        # five copies of a question are one: sqrt(5) times as wide
        ratio = width(grouped, name) / width(alone, name)
        assert ratio == pytest.approx(5**0.5, rel=0.12)
        assert grouped["metrics"][name]["p_value"] > alone["metrics"][name]["p_value"]


def test_agreement_is_that_computed_by_hand():
    a, b = np.array([0, 0, 1, 1, 2, -1]), np.array([0, 1, 1, 1, 0, -1])
    result = agreement(a, b, resamples=200)
    # by chance: (2*2 + 2*3 + 1*0 + 1*1) / 36
    assert result["share"] == pytest.approx(4 / 6)
    assert result["kappa"] == pytest.approx((4 / 6 - 11 / 36) / (1 - 11 / 36))
    assert result["kappa"] == pytest.approx(cohen_kappa_score(a, b))
    low, high = result["kappa_ci95"]
    assert low < result["kappa"] < high <= 1


def test_agreement_of_one_single_choice_has_no_kappa():
    result = agreement(np.zeros(7, dtype=int), np.zeros(7, dtype=int), resamples=20)
    assert (result["share"], result["kappa"], result["kappa_ci95"]) == (1.0, None, None)


def test_runs_that_are_not_aligned_are_refused(random_answers):
    a = random_answers(5)
    others = Answers(tuple("vwxyz"), a.labels, a.choices, a.log_probabilities)
    relabelled = Answers(a.ids, a.labels[::-1], a.choices, a.log_probabilities)
    assert (relabelled.labels != a.labels).any()
    for b in (random_answers(6), others, relabelled):
        with pytest.raises(ComparisonError, match="not aligned"):
            describe_pair(a, b, {})
