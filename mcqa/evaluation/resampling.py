"""The bootstrap, once for every metric: draw questions again, or whole groups of them.

A resample is a row of weights: how often each question was drawn. A metric is a function of
weights (a `Statistic`), so that its value on the data (all weights 1) and its bootstrap are one
definition. The trap: a metric that noise can only raise is higher on resamples, and then no
interval of them covers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from mcqa.errors import ConfigError

CELLS = 2_000_000  # how many weights to hold at once: 16 MB
FEWEST = 6  # groups, below which not even groups that all agree could be told from luck

Statistic = Callable[[np.ndarray], dict[str, np.ndarray]]
"""From weights (R, N) to the R values of each of its metrics, NaN where one is not defined."""


def resampled_weights(
    n: int, *, seed: int = 0, resamples: int = 1000, cluster_N: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield the weights (R, N) of resamples of n questions, R being what `CELLS` allows.

    With `cluster_N`, the group of each question, numbered from 0, whole groups are drawn.

    Raises:
        ConfigError: `resamples` is less than 1.
    """
    _check(resamples)
    rng = np.random.default_rng(seed)
    units = n if cluster_N is None else count_groups(cluster_N)
    rows = min(resamples, max(1, CELLS // n))
    for start in range(0, resamples, rows):
        weight_RN = np.empty((min(rows, resamples - start), n))
        for weight_N in weight_RN:
            drawn = np.bincount(rng.integers(units, size=units), minlength=units)
            weight_N[:] = drawn if cluster_N is None else drawn[cluster_N]
        yield weight_RN


def bootstrap(statistic: Statistic, n: int, **how) -> dict[str, np.ndarray]:
    """Return each metric's value on every resample; see `resampled_weights`.

    With fewer groups than `FEWEST` all are NaN, for no interval would cover.
    """
    cluster_N = how.get("cluster_N")
    if cluster_N is not None and count_groups(cluster_N) < FEWEST:
        return {name: np.full(1, np.nan) for name in statistic(np.ones((1, n)))}
    return concatenate(map(statistic, resampled_weights(n, **how)))


def count_groups(cluster_N: np.ndarray) -> int:
    """Return how many groups there are, numbered from 0."""
    return int(cluster_N.max(initial=-1)) + 1


def bootstrap_accuracy_gain(
    a_only: int, b_only: int, n: int, *, seed: int, resamples: int
) -> np.ndarray:
    """Return the accuracy of b minus that of a on every resample of n questions.

    How many questions just one of the two gets right is multinomial in resamples, so it is drawn
    directly, in memory that does not grow with n.
    """
    _check(resamples)
    shares = (a_only / n, b_only / n, (n - a_only - b_only) / n)
    counts = np.random.default_rng(seed).multinomial(n, shares, size=resamples)
    return (counts[:, 1] - counts[:, 0]) / n


def observed(statistic: Statistic, n: int) -> dict[str, float]:
    """Return each metric's value on the data themselves, NaN where it is not defined."""
    return {name: float(value_R[0]) for name, value_R in statistic(np.ones((1, n))).items()}


def interval(draws_R: np.ndarray) -> list[float] | None:
    """Return the 95% percentile interval of bootstrap draws that are not NaN, None where all are.

    Source:
        Davison and Hinkley (1997), Bootstrap Methods and their Application, section 5.3.
    """
    defined = draws_R[~np.isnan(draws_R)]
    if not len(defined):
        return None
    return [float(end) for end in np.quantile(defined, (0.025, 0.975))]


def means(columns: dict[str, np.ndarray]) -> Statistic:
    """Return the statistic of means over questions, given (N,) values, NaN where none counts."""
    value_NK = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    # most metrics count the same questions: these are counted once
    known_NJ, count_of_K = np.unique(~np.isnan(value_NK), axis=1, return_inverse=True)
    column_NKJ = np.hstack([np.nan_to_num(value_NK), known_NJ])

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        total_RK, count_RJ = np.split(weight_RN @ column_NKJ, [len(columns)], axis=1)
        return dict(zip(columns, divide(total_RK, count_RJ[:, count_of_K]).T, strict=True))

    return statistic


def concatenate(parts: Iterable[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the metrics' values on some resamples after those on others."""
    parts = list(parts)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def merge(statistics: Sequence[Statistic]) -> Statistic:
    """Return one statistic with the metrics of all of these."""
    return lambda weight_RN: {k: v for part in statistics for k, v in part(weight_RN).items()}


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return a quotient, NaN where the divisor is 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)


def _check(resamples: int) -> None:
    if resamples < 1:
        raise ConfigError(f"resamples is {resamples}; it must be at least 1, 10,000 is usual.")
