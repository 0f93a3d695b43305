import numpy as np
import pytest

from mcqa.errors import ConfigError
from mcqa.evaluation import resampling
from mcqa.evaluation.resampling import (
    bootstrap,
    interval,
    means,
    merge,
    observed,
    resampled_weights,
)


def all_weights(n, **settings):
    return np.concatenate(list(resampled_weights(n, **settings)))


def test_a_resample_draws_as_many_questions_as_there_are():
    weights = all_weights(7, seed=0, resamples=500)
    assert weights.shape == (500, 7)
    assert (weights.sum(1) == 7).all()
    assert weights.mean(0) == pytest.approx(np.ones(7), abs=0.2)
    # a binomial of 7 draws at 1/7
    assert weights.var() == pytest.approx(6 / 7, abs=0.1)


@pytest.mark.parametrize("cells", [1, 7, 50, 10_000])
def test_how_many_weights_are_held_at_once_changes_nothing(monkeypatch, cells):
    whole = all_weights(7, seed=3, resamples=20)
    monkeypatch.setattr(resampling, "CELLS", cells)
    held = list(resampled_weights(7, seed=3, resamples=20))
    np.testing.assert_array_equal(np.concatenate(held), whole)
    assert max(part.size for part in held) <= max(7, cells)


def test_groups_are_drawn_whole():
    cluster = np.array([0, 1, 0, 2, 2])
    weights = all_weights(5, seed=0, resamples=200, cluster_N=cluster)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()
    assert len(set(weights.sum(1))) > 1


def test_the_seed_fixes_the_draws():
    one, same, other = (all_weights(9, seed=seed, resamples=5) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_a_mean_leaves_unknown_values_out():
    statistic = means({"x": [1.0, np.nan, 3.0], "y": [True, False, True], "z": [np.nan] * 3})
    assert observed(statistic, 3) == pytest.approx({"x": 2.0, "y": 2 / 3, "z": np.nan}, nan_ok=True)
    values = statistic(np.array([[0.0, 3.0, 0.0], [2.0, 0.0, 1.0]]))
    np.testing.assert_allclose(values["x"], [np.nan, 5 / 3])
    np.testing.assert_allclose(values["y"], [0, 1])


def test_statistics_merge():
    a = means({"x": [1.0, 2.0]})
    assert observed(merge([a, means({"z": [7.0, 9.0]})]), 2) == {"x": 1.5, "z": 8.0}


def test_bootstrap_of_a_mean_is_the_plain_loop_over_the_same_draws():
    rng = np.random.default_rng(0)
    values = rng.normal(size=40)
    draws = bootstrap(means({"x": values}), 40, seed=5, resamples=300)["x"]
    drawn = np.random.default_rng(5)
    plain = [values[drawn.integers(40, size=40)].mean() for _ in range(300)]
    np.testing.assert_allclose(draws, plain)


def test_bootstrap_over_groups_is_the_plain_loop_over_the_same_draws():
    rng = np.random.default_rng(0)
    values, cluster = rng.normal(size=30), np.arange(30) % 7
    draws = bootstrap(means({"x": values}), 30, seed=5, resamples=300, cluster_N=cluster)["x"]
    drawn = np.random.default_rng(5)
    plain = []
    for _ in range(300):
        picked = [values[cluster == group] for group in drawn.integers(7, size=7)]
        plain.append(np.concatenate(picked).mean())
    np.testing.assert_allclose(draws, plain)


def test_interval_leaves_undefined_draws_out():
    draws = np.append(np.arange(101.0), [np.nan] * 50)
    assert interval(draws) == [2.5, 97.5]
    assert interval(np.array([np.nan])) is None


def test_no_resample_is_refused():
    with pytest.raises(ConfigError, match="resamples is 0"):
        bootstrap(means({"x": [1.0]}), 1, resamples=0)
