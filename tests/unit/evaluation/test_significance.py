from itertools import product

import numpy as np
import pytest

from mcqa.errors import ConfigError
from mcqa.evaluation.significance import (
    cochran_q,
    holm,
    mcnemar,
    minimum_detectable_difference,
    sign_flip_test,
)


def exact_sign_flip(differences):
    """Return the p-value over all 2^n tosses."""
    sums = [np.dot(signs, differences) for signs in product((-1, 1), repeat=len(differences))]
    return np.mean(np.abs(sums) >= abs(sum(differences)) - 1e-12)


def test_sign_flips_come_near_the_count_of_all_tosses():
    differences = [0.3, -0.1, 0.8, 0.4, 0.2, -0.3, 0.6, 0.5]
    p_value = sign_flip_test(np.array(differences)[:, None])[0]
    assert p_value == pytest.approx(exact_sign_flip(differences), abs=0.006)


def test_sign_flips_of_right_and_wrong_are_mcnemars_test():
    gains = np.array([1] * 14 + [-1] * 5 + [0] * 60, dtype=float)
    assert sign_flip_test(gains[:, None])[0] == pytest.approx(mcnemar(5, 14), abs=0.008)


def test_sign_flips_of_groups_toss_each_group_once():
    gains, clusters = np.array([1.0, 1, 1, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    # two groups that agree: of four tosses two are as far from zero
    assert sign_flip_test(gains[:, None], cluster_N=clusters)[0] == pytest.approx(1 / 2, abs=0.02)
    three = np.array([0, 0, 1, 1, 2, 2])
    assert sign_flip_test(gains[:, None], cluster_N=three)[0] == pytest.approx(1 / 4, abs=0.02)


def test_sign_flips_of_groups_are_those_of_the_groups_sums():
    gains = np.array([0.9, -0.2, -0.1, 0.4, 0.3, -0.8, 0.6, 0.1])
    clusters = np.array([0, 0, 0, 1, 1, 2, 3, 4])
    expected = exact_sign_flip([0.6, 0.7, -0.8, 0.6, 0.1])
    found = sign_flip_test(gains[:, None], cluster_N=clusters)[0]
    assert found == pytest.approx(expected, abs=0.015)


def test_sign_flips_of_several_metrics_are_those_of_each():
    rng = np.random.default_rng(0)
    both = rng.normal(0.2, 1, size=(50, 2))
    both[:10, 1] = np.nan
    together = sign_flip_test(both)
    assert together[0] == pytest.approx(sign_flip_test(both[:, :1])[0], abs=0.01)
    assert together[1] == pytest.approx(sign_flip_test(both[10:, 1:])[0], abs=0.01)
    assert together.shape == (2,)


def test_sign_flips_never_give_zero_and_give_one_without_any_difference():
    assert sign_flip_test(np.ones((200, 1)), permutations=99)[0] == 1 / 100
    assert sign_flip_test(np.zeros((5, 1)), permutations=99)[0] == 1.0
    assert sign_flip_test(np.array([[0.1], [0.2], [-0.3]]))[0] == 1.0  # the sum is rounding alone


def test_the_seed_fixes_the_tosses():
    gains = np.random.default_rng(0).normal(size=(30, 1))
    assert sign_flip_test(gains, seed=1) == sign_flip_test(gains, seed=1)
    assert len({float(sign_flip_test(gains, seed=s, permutations=99)[0]) for s in range(9)}) > 1


def test_the_detectable_difference_solves_its_equation():
    # n = (z_alpha sqrt(psi) + z_power sqrt(psi - d²))² / d²
    d, psi = minimum_detectable_difference(250, 1221), 250 / 1221
    needed = ((1.959964 * psi**0.5 + 0.841621 * (psi - d**2) ** 0.5) / d) ** 2
    assert needed == pytest.approx(1221, rel=1e-5)


def test_the_detectable_difference_falls_with_n():
    usual = minimum_detectable_difference(200, 1000)
    assert minimum_detectable_difference(800, 4000) == pytest.approx(usual / 2, rel=0.01)


@pytest.mark.parametrize("discordant", [0, 1, 5])
def test_with_almost_no_disagreement_nothing_can_be_detected(discordant):
    assert minimum_detectable_difference(discordant, 1000) is None


def test_cochran_q_of_two_runs_is_mcnemars_statistic():
    rng = np.random.default_rng(0)
    correct = rng.random((80, 2)) < (0.5, 0.7)
    a_only = (correct[:, 0] & ~correct[:, 1]).sum()
    b_only = (correct[:, 1] & ~correct[:, 0]).sum()
    assert cochran_q(correct)[0] == pytest.approx((a_only - b_only) ** 2 / (a_only + b_only))


def test_cochran_q_of_runs_that_are_never_apart():
    assert cochran_q(np.array([[1, 1, 1], [0, 0, 0]])) == (0.0, 1.0)


def test_cochran_q_of_one_run_is_refused():
    with pytest.raises(ConfigError, match="at least 2"):
        cochran_q(np.array([[1], [0]]))


def test_holm_keeps_the_order_and_never_passes_one():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_no_permutation_is_refused():
    with pytest.raises(ConfigError, match="permutations is 0"):
        sign_flip_test(np.ones((2, 1)), permutations=0)
