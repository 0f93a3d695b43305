"""Intervals over groups of questions, simulated and seeded."""

import numpy as np
import pytest

from mcqa.evaluation.clustered import few_groups, mean_interval, renumber, share_of
from mcqa.evaluation.comparison import compare, joint_test
from mcqa.evaluation.measures import describe_run
from mcqa.evaluation.metrics import share, wilson_interval
from mcqa.evaluation.paired import describe_pair
from mcqa.evaluation.resampling import bootstrap, interval, means
from mcqa.evaluation.significance import sign_flip_test


def drawn(rng, groups, size, spread=1.5):
    """Return whether questions are right that share a group's normal effect on the logit."""
    cluster = np.repeat(np.arange(groups), size)
    logit = 0.5 + spread * rng.normal(size=groups)[cluster]
    return rng.random(groups * size) < 1 / (1 + np.exp(-logit)), cluster


TRUTH = float(np.mean(1 / (1 + np.exp(-(0.5 + 1.5 * np.random.default_rng(0).normal(size=10**6))))))


@pytest.mark.parametrize(("groups", "size"), [(6, 50), (20, 15), (100, 5)])
def test_intervals_of_a_share_cover_where_wilsons_does_not(groups, size):
    rng, trials = np.random.default_rng(groups), 1000
    covered = {"groups": 0, "questions": 0}
    for _ in range(trials):
        right, cluster = drawn(rng, groups, size)
        for name, of in (("groups", cluster), ("questions", None)):
            low, high = share_of(right, of)["ci95"]
            covered[name] += low <= TRUTH <= high
    assert 0.925 <= covered["groups"] / trials <= 0.98
    assert covered["questions"] / trials < 0.86


@pytest.mark.parametrize("groups", [6, 20])
def test_intervals_of_a_mean_cover_with_few_groups_where_the_bootstrap_does_not(groups):
    rng, trials, cluster = np.random.default_rng(groups), 400, np.repeat(np.arange(groups), 10)
    covered = {"t": 0, "bootstrap": 0}
    for trial in range(trials):
        gain = rng.normal(size=groups)[cluster] + rng.normal(size=groups * 10)
        how = {"seed": trial, "resamples": 200, "cluster_N": cluster}
        draws = bootstrap(means({"gain": gain}), len(gain), **how)["gain"]
        for name, (low, high) in (
            ("t", mean_interval(gain, cluster)),
            ("bootstrap", interval(draws)),
        ):
            covered[name] += low <= 0 <= high
    assert 0.92 <= covered["t"] / trials <= 0.98
    assert covered["bootstrap"] < covered["t"]


def test_groups_of_one_question_are_questions():
    right = np.arange(200) % 3 > 0
    alone = share_of(right, np.arange(200))
    assert alone["ci95"] == pytest.approx(wilson_interval(int(right.sum()), 200), abs=0.002)
    assert share_of(right) == share(int(right.sum()), 200)
    assert share_of(right[:0]) is None


def test_groups_that_all_agree_do_not_make_certain():
    low, high = share_of(np.ones(100, dtype=bool), np.repeat(np.arange(10), 10))["ci95"]
    assert (low < 0.75, high) == (True, 1.0)


def test_fewer_than_six_groups_have_no_interval_and_no_claim():
    cluster = np.repeat(np.arange(5), 40)
    right = np.arange(200) % 4 > 0
    assert share_of(right, cluster)["ci95"] is None
    assert mean_interval(right.astype(float), cluster) is None
    found = compare(~right, right, ("a", "b"), cluster_N=cluster)
    assert (found["difference_ci95"], found["a"]["accuracy_ci95"]) == (None, None)
    assert found["clusters"] == {"n": 5, "p_value": 2 / 2**5}
    assert found["verdict"].startswith(
        "No difference can be claimed: on these questions, b answers"
    )
    assert "at least 6" in found["verdict"]
    assert "More questions" not in found["verdict"]


def test_fewer_than_twenty_groups_are_said_to_be_rough():
    for groups, rough in ((10, True), (20, False)):
        cluster = np.repeat(np.arange(groups), 20)
        right = np.arange(groups * 20) % 4 > 0
        verdict = compare(~right, right, ("a", "b"), cluster_N=cluster)["verdict"]
        assert verdict.startswith("b answers 50.0 points more")
        assert ("fewer than 20 groups" in verdict) == rough


def test_what_is_said_of_few_groups():
    assert [few_groups(groups) for groups in (None, 20)] == ["", ""]
    assert "there are no intervals" in few_groups(5)
    assert "intervals are rough" in few_groups(6)


def test_few_groups_are_tossed_in_every_way_there_is():
    difference = np.array([[3.0], [2.0], [1.0]])
    # as far as 6: all up or all down
    assert sign_flip_test(difference).tolist() == [2 / 8]
    # as far as 4 = 3 + 2 - 1: these two, and two more
    assert sign_flip_test(np.array([[3.0], [2.0], [-1.0]])).tolist() == [4 / 8]
    assert sign_flip_test(np.zeros((5, 1))).tolist() == [1.0]


def test_the_test_of_all_runs_goes_by_groups():
    rng, found = np.random.default_rng(3), {"questions": 0, "groups": 0}
    cluster = np.repeat(np.arange(30), 10)
    for trial in range(60):
        runs = {name: (rng.random(30) < 0.6)[cluster] for name in "abc"}
        found["questions"] += joint_test(runs)["p_value"] < 0.05
        joint = joint_test(runs, cluster_N=cluster, seed=trial)
        found["groups"] += joint["p_value"] < 0.05
        assert joint["clusters"] == 30
    assert found["questions"] > 20
    assert found["groups"] <= 8


def test_every_interval_of_a_run_goes_by_groups(random_answers):
    answers = random_answers(60)
    five, cluster = answers.take(np.repeat(np.arange(60), 5)), np.repeat(np.arange(60), 5)
    alone = describe_run(answers, resamples=300)
    grouped = describe_run(five, resamples=300, cluster_N=cluster)
    apart = describe_run(five, resamples=300)
    assert grouped["clusters"] == 60
    for name, metric in grouped["metrics"].items():
        if metric["ci95"]:
            width, of_questions, of_one = (
                float(np.diff(run["metrics"][name]["ci95"])[0]) for run in (grouped, apart, alone)
            )
            assert width > 1.5 * of_questions, name
            assert width == pytest.approx(of_one, rel=0.25), name
    few = describe_run(five, resamples=20, cluster_N=cluster // 15)
    assert not any(metric["ci95"] for name, metric in few["metrics"].items())
    assert renumber(cluster, cluster > 57).tolist() == [0] * 5 + [1] * 5


def test_means_over_few_groups_have_students_interval(random_answers):
    """By hand: eight groups of five copies, so the mean of eight values and its error."""
    answers = random_answers(8)
    copies, cluster = answers.take(np.repeat(np.arange(8), 5)), np.repeat(np.arange(8), 5)
    nll = describe_run(copies, resamples=20, cluster_N=cluster)["metrics"]["nll"]
    value = -answers.log_likelihood
    half = 2.3646243 * value.std(ddof=1) / np.sqrt(8)  # t of 7 degrees of freedom at 97.5%
    assert nll["interval"] == "student"
    assert nll["ci95"] == pytest.approx([value.mean() - half, value.mean() + half])
    other = random_answers(8, seed=5).take(np.repeat(np.arange(8), 5))
    accuracies = compare(copies.correct, other.correct, ("a", "b"), cluster_N=cluster)
    paired = describe_pair(copies, other, accuracies, cluster_N=cluster)["metrics"]["nll"]
    gain = (copies.log_likelihood - other.log_likelihood)[::5]
    half = 2.3646243 * gain.std(ddof=1) / np.sqrt(8)
    assert paired["ci95"] == pytest.approx([gain.mean() - half, gain.mean() + half])
