"""Formulations compared over runs and questions: an interval for new seeds and new questions.

Every run answers the same questions, so seeds and questions are crossed. An accuracy then varies
with the questions drawn, with the seed, and with what a seed does to a single question. An interval
over questions alone leaves out two of the three, and is too narrow for a claim about formulations.

The variance of the difference D of two means is estimated from mean squares:

    A      spread of the questions' differences of seed means, over N
    B_f    spread of formulation f's seed means, over S_f
    R_f    what is left in f when seeds and questions are taken out, over S_f N
    Var D = A + B_a + B_b - R_a - R_b        for A and B both have R in them

and D over its root is compared with a t distribution of Satterthwaite's degrees of freedom.

For one formulation's mean these degrees of freedom are too many where three seeds happen to agree
(92% of intervals cover). There the half-width is the root of the summed squares of each term's own,
which is a little too wide instead.

Source: Satterthwaite (1946), An approximate distribution of estimates of variance components;
Howe (1974), Approximate confidence limits on the mean of X + Y; Searle, Casella and McCulloch
(1992), Variance components, chapters 4 and 5. Why seeds count: Bouthillier et al. (2021),
Accounting for variance in machine learning benchmarks.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from mcqa.errors import ComparisonError

LEAST_SEEDS = 3
"""With two seeds the interval covers by being useless: one degree of freedom."""


class Term(NamedTuple):
    """Hold a mean square's part of a variance and its degrees of freedom."""

    variance: float
    df: float


@dataclass(frozen=True)
class Components:
    """Hold the variances of a difference of two formulations.

    Args:
        questions: of the questions' differences.
        seeds: of the seeds' means, the two formulations' added up.
        interaction: of what a seed does to a question, and of all that is left, likewise.
    """

    questions: float
    seeds: float
    interaction: float

    def variance(self, n_seeds: float, n_questions: float) -> float:
        """Return the variance that so many seeds of each and so many questions would have."""
        both = self.interaction / (n_seeds * n_questions)
        return self.questions / n_questions + self.seeds / n_seeds + both


@dataclass(frozen=True)
class Estimate:
    """Hold a mean over runs and questions, and how sure it is.

    Args:
        value: the mean, in the unit of the scores: of accuracies, 0.01 is a point.
        standard_error: of the value, over seeds and questions.
        ci95: the interval for new seeds and new questions.
        components: where the uncertainty comes from.
        n_questions: how many questions there are.
        n_clusters: how many clusters they are in; as many as questions without any.
    """

    value: float
    standard_error: float
    ci95: tuple[float, float]
    components: Components
    n_questions: int
    n_clusters: int


@dataclass(frozen=True)
class Difference(Estimate):
    """Hold the difference of two formulations: the mean of a minus that of b.

    Args:
        df: degrees of freedom of the t distribution.
        p: of no difference, two-sided.
        n_seeds: of a and of b.
    """

    df: float
    p: float
    n_seeds: tuple[int, int]


def mean(table_SN: np.ndarray, *, clusters_N: np.ndarray | None = None) -> Estimate:
    """Estimate one formulation's mean over seeds and questions.

    Args:
        table_SN, clusters_N: as for `difference`.

    Raises:
        ComparisonError: as for `difference`.

    >>> mean(np.array([[1, 1, 0, 1], [1, 1, 0, 0], [1, 1, 1, 1]])).value
    0.75
    """
    table_SN = np.asarray(table_SN, dtype=float)
    _check_runs("", table_SN)
    terms = _Terms.of(table_SN.mean(0), [table_SN], clusters_N)
    t_questions = stats.t.ppf(0.975, terms.question.df)
    t_seeds = stats.t.ppf(0.975, len(table_SN) - 1)
    square = t_questions**2 * (terms.of_questions + terms.of_rest) + t_seeds**2 * terms.of_seeds
    return Estimate(**terms.describe(len(table_SN), math.sqrt(square)))


def difference(
    a_SN: np.ndarray,
    b_SN: np.ndarray,
    *,
    paired: bool = False,
    clusters_N: np.ndarray | None = None,
) -> Difference:
    """Compare two formulations over seeds and questions.

    Args:
        a_SN: (S, N) a score of each run of the first formulation on each question; 1 where it is
            right and 0 where it is not, for accuracies.
        b_SN: likewise of the second, on the same questions; another number of seeds is allowed.
        paired: whether the seed numbered s means the same draw for both, such as the same order of
            questions, so that the seeds' differences are what varies.
        clusters_N: (N,) a key for each question; those of one key are not independent.

    Raises:
        ComparisonError: fewer than `LEAST_SEEDS` runs of a formulation, other shapes, or fewer
            than two clusters.

    >>> right = np.array([[1, 1, 0, 1], [1, 1, 0, 0], [1, 1, 1, 1]])
    >>> round(difference(right, 1 - right).value, 3)
    0.5
    """
    a_SN, b_SN = np.asarray(a_SN, dtype=float), np.asarray(b_SN, dtype=float)
    _check(a_SN, b_SN, paired)
    in_a, in_b = len(a_SN), len(b_SN)
    tables = [a_SN - b_SN] if paired else [a_SN, b_SN]
    seeds = in_a if paired else 2 * in_a * in_b / (in_a + in_b)
    terms = _Terms.of(a_SN.mean(0) - b_SN.mean(0), tables, clusters_N)
    df, error = terms.df(), math.sqrt(terms.variance)
    t = abs(terms.value) / error if error else math.inf if terms.value else 0.0
    p = float(2 * stats.t.sf(t, df))
    found = terms.describe(seeds, float(stats.t.ppf(0.975, df)) * error)
    return Difference(**found, df=df, p=p, n_seeds=(in_a, in_b))


def enough(components: Components, points: float, *, seeds: int, power: float = 0.8) -> int | None:
    """Return how many questions would show a difference, with so many seeds of each formulation.

    Args:
        components: of an earlier comparison.
        points: the true difference to be shown, in the unit of the scores.
        seeds: how many runs of each formulation, at least 2.
        power: in which share of such studies it would be shown, at a level of 5%.

    Returns:
        The least number of questions, or None where no number would do: more seeds are needed.
    """
    df = 2 * (seeds - 1)
    reach = stats.t.ppf(0.975, df) + stats.t.ppf(power, df)
    allowed = (points / reach) ** 2 - components.seeds / seeds
    if allowed <= 0:
        return None
    return math.ceil((components.questions + components.interaction / seeds) / allowed)


def _check(a_SN: np.ndarray, b_SN: np.ndarray, paired: bool) -> None:
    if a_SN.ndim != 2 or b_SN.ndim != 2 or a_SN.shape[1] != b_SN.shape[1]:
        raise ComparisonError(
            f"runs have shapes {a_SN.shape} and {b_SN.shape}; both must be (seeds, questions), on "
            "the same questions."
        )
    if paired and len(a_SN) != len(b_SN):
        raise ComparisonError(
            f"{len(a_SN)} and {len(b_SN)} runs cannot be paired by seed; train the missing ones, "
            "or compare them as not paired."
        )
    _check_runs("first ", a_SN)
    _check_runs("second ", b_SN)


def _check_runs(name: str, runs_SN: np.ndarray) -> None:
    if len(runs_SN) < LEAST_SEEDS:
        raise ComparisonError(
            f"the {name}formulation has {len(runs_SN)} runs; a claim about formulations takes at "
            f"least {LEAST_SEEDS} seeds of each. Train more, or compare two runs and claim no "
            "more than that."
        )


@dataclass(frozen=True)
class _Terms:
    """Hold a mean and the mean squares that its variance is made of, some of them by table."""

    value: float
    n: int
    question: Term
    n_clusters: int
    seeds: list[Term]
    rest: list[Term]

    @classmethod
    def of(cls, mean_N: np.ndarray, tables: list[np.ndarray], clusters_N: np.ndarray | None):
        question, n_clusters = _question_term(mean_N, clusters_N)
        seeds = [_seed_term(table_SN) for table_SN in tables]
        rest = [_rest_term(table_SN, clusters_N) for table_SN in tables]
        return cls(float(mean_N.mean()), len(mean_N), question, n_clusters, seeds, rest)

    @property
    def of_rest(self) -> float:
        return sum(term.variance for term in self.rest)

    @property
    def of_questions(self) -> float:
        return max(0.0, self.question.variance - self.of_rest)

    @property
    def of_seeds(self) -> float:
        return max(0.0, sum(term.variance for term in self.seeds) - self.of_rest)

    @property
    def variance(self) -> float:
        return self.of_questions + self.of_seeds + self.of_rest

    def df(self) -> float:
        """Return Satterthwaite's degrees of freedom."""
        terms = [self.question, *self.seeds, *self.rest]
        below = sum(term.variance**2 / term.df for term in terms)
        return self.variance**2 / below if below else math.inf

    def describe(self, seeds: float, reach: float) -> dict:
        """Return the fields of an `Estimate` with so many seeds and this half-width."""
        questions, rest = self.of_questions * self.n, self.of_rest * seeds * self.n
        return {
            "value": self.value,
            "standard_error": math.sqrt(self.variance),
            "ci95": (self.value - float(reach), self.value + float(reach)),
            "components": Components(questions, self.of_seeds * seeds, rest),
            "n_questions": self.n,
            "n_clusters": self.n_clusters,
        }


def _question_term(d_N: np.ndarray, clusters_N: np.ndarray | None) -> tuple[Term, int]:
    n = len(d_N)
    keys = np.arange(n) if clusters_N is None else np.unique(clusters_N, return_inverse=True)[1]
    sums_C = np.bincount(keys, weights=d_N - d_N.mean())
    n_clusters = len(sums_C)
    if n_clusters < 2:
        raise ComparisonError(f"{n_clusters} cluster of questions; there must be at least two.")
    variance = float(np.square(sums_C).sum()) / n**2 * n_clusters / (n_clusters - 1)
    return Term(variance, n_clusters - 1), n_clusters


def _seed_term(table_SN: np.ndarray) -> Term:
    seeds = len(table_SN)
    return Term(float(table_SN.mean(1).var(ddof=1)) / seeds, seeds - 1)


def _rest_term(table_SN: np.ndarray, clusters_N: np.ndarray | None) -> Term:
    """Return what is left without seeds and questions; by clusters, where there are any."""
    seeds, n = table_SN.shape
    rest_SN = table_SN - table_SN.mean(1, keepdims=True) - table_SN.mean(0) + table_SN.mean()
    keys = np.arange(n) if clusters_N is None else np.unique(clusters_N, return_inverse=True)[1]
    sums_SC = np.array([np.bincount(keys, weights=row) for row in rest_SN])
    df = (seeds - 1) * (sums_SC.shape[1] - 1)
    squares = float(np.square(sums_SC).sum()) * sums_SC.shape[1] / n**2
    return Term(squares / df / seeds, df)
