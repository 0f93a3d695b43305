"""The numbers of this table are computed by hand; 432 is the least common denominator of them."""

import math

import numpy as np
import pytest
from scipy import stats

from mcqa.errors import ComparisonError
from mcqa.evaluation.crossed import Components, difference, enough, mean

# seed means 1/2, 3/4, 1/4; question means 1, 2/3, 1/3, 0; squares of the rest sum to 5/6
TABLE_SN = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])


def held_against(estimate, *, value, questions, seeds, rest, variance):
    """Compare with a variance and its components, all of them in 432nds."""
    assert estimate.value == pytest.approx(value)
    assert estimate.standard_error == pytest.approx(math.sqrt(variance / 432))
    low, high = estimate.ci95
    assert (low + high) / 2 == pytest.approx(value)
    parts = estimate.components
    found = parts.questions / 4, parts.seeds / 3, parts.interaction / 12
    assert found == pytest.approx((questions / 432, seeds / 432, rest / 432))
    assert parts.variance(3, 4) == pytest.approx(variance / 432)


def reach(estimate):
    return estimate.ci95[1] - estimate.value


def test_a_mean_by_hand():
    found = mean(TABLE_SN)
    held_against(found, value=0.5, questions=15, seeds=4, rest=5, variance=24)
    t_questions, t_seeds = stats.t.ppf(0.975, 3), stats.t.ppf(0.975, 2)
    assert reach(found) == pytest.approx(math.sqrt((20 * t_questions**2 + 4 * t_seeds**2) / 432))
    assert (found.n_questions, found.n_clusters) == (4, 4)


def test_a_mean_over_clusters_by_hand():
    found = mean(TABLE_SN, clusters_N=np.array(["x", "x", "y", "y"]))
    held_against(found, value=0.5, questions=45, seeds=6, rest=3, variance=54)
    t_questions, t_seeds = stats.t.ppf(0.975, 1), stats.t.ppf(0.975, 2)
    assert reach(found) == pytest.approx(math.sqrt((48 * t_questions**2 + 6 * t_seeds**2) / 432))
    assert (found.n_questions, found.n_clusters) == (4, 2)


def test_a_difference_by_hand():
    # the other's effects are the same with the other sign: d has twice those of questions
    found = difference(TABLE_SN, 1 - TABLE_SN)
    df = 88**2 / (80**2 / 3 + 2 * 9**2 / 2 + 2 * 5**2 / 6)
    held_against(found, value=0, questions=70, seeds=8, rest=10, variance=88)
    assert found.df == pytest.approx(df)
    assert reach(found) == pytest.approx(stats.t.ppf(0.975, df) * math.sqrt(88 / 432))
    assert found.p == 1
    assert found.n_seeds == (3, 3)


def test_a_difference_paired_by_seed_by_hand():
    found = difference(TABLE_SN, 1 - TABLE_SN, paired=True)
    df = 96**2 / (80**2 / 3 + 36**2 / 2 + 20**2 / 6)
    held_against(found, value=0, questions=60, seeds=16, rest=20, variance=96)
    assert found.df == pytest.approx(df)


def test_p_agrees_with_the_interval():
    rng = np.random.default_rng(0)
    for shift in np.linspace(0, 0.6, 20):
        a, b = rng.normal(size=(4, 30)) + shift, rng.normal(size=(3, 30))
        found = difference(a, b)
        assert (found.p < 0.05) == (found.ci95[0] > 0 or found.ci95[1] < 0)
        assert found.n_seeds == (4, 3)


def test_the_sides_change_places():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 30)), rng.normal(size=(3, 30))
    there, back = difference(a, b), difference(b, a)
    assert there.value == -back.value
    assert there.ci95 == pytest.approx(tuple(-end for end in reversed(back.ci95)))
    assert there.p == pytest.approx(back.p)


def test_clusters_of_one_question_each_change_nothing():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 8))
    clustered = difference(a, b, clusters_N=np.array(list("hgfedcba")))
    assert clustered.ci95 == pytest.approx(difference(a, b).ci95)


def test_copies_of_questions_are_worth_nothing_as_one_cluster():
    """What repeats every question four times must not look four times as sure."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 50))
    copied = [np.repeat(table, 4, axis=1) for table in (a, b)]
    once, clusters = difference(a, b), np.repeat(np.arange(50), 4)
    assert difference(*copied, clusters_N=clusters).ci95 == pytest.approx(once.ci95)
    assert difference(*copied).standard_error < 0.8 * once.standard_error


def test_runs_without_any_difference_have_none():
    found = difference(np.ones((3, 5)), np.ones((3, 5)))
    assert (found.value, found.ci95, found.p) == (0, (0, 0), 1)
    assert difference(np.ones((3, 5)), np.zeros((3, 5))).p == 0


@pytest.mark.parametrize(
    ("a", "b", "how", "told"),
    [
        ((2, 5), (3, 5), {}, "the first formulation has 2 runs; .* at least 3 seeds"),
        ((3, 5), (2, 5), {}, "the second formulation has 2 runs"),
        ((3, 5), (3, 6), {}, r"shapes \(3, 5\) and \(3, 6\)"),
        ((5,), (5,), {}, r"shapes \(5,\) and \(5,\)"),
        ((4, 5), (3, 5), {"paired": True}, "4 and 3 runs cannot be paired"),
        ((3, 5), (3, 5), {"clusters_N": np.zeros(5)}, "1 cluster of questions"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, how, told):
    with pytest.raises(ComparisonError, match=told):
        difference(np.zeros(a), np.zeros(b), **how)


def test_a_mean_of_two_runs_is_refused():
    with pytest.raises(ComparisonError, match="the formulation has 2 runs"):
        mean(np.zeros((2, 5)))


def test_enough_is_the_least_number_that_is_enough():
    parts = Components(questions=0.3, seeds=0.0002, interaction=0.2)
    n = enough(parts, 0.05, seeds=5)
    reach = stats.t.ppf(0.975, 8) + stats.t.ppf(0.8, 8)
    assert reach * math.sqrt(parts.variance(5, n)) <= 0.05
    assert reach * math.sqrt(parts.variance(5, n - 1)) > 0.05


def test_more_seeds_or_a_larger_difference_need_fewer_questions():
    parts = Components(questions=0.3, seeds=0.0002, interaction=0.2)
    assert enough(parts, 0.05, seeds=10) < enough(parts, 0.05, seeds=5)
    assert enough(parts, 0.10, seeds=5) < enough(parts, 0.05, seeds=5)


def test_no_number_of_questions_makes_up_for_seeds():
    parts = Components(questions=0.3, seeds=0.003, interaction=0.2)
    assert enough(parts, 0.02, seeds=3) is None
    assert enough(parts, 0.02, seeds=100) > 0
