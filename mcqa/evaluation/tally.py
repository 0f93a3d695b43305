"""Metrics of more answers than fit into memory: sums of parts, which are added up.

What is summed is whole numbers, so that the order in which parts come changes not a bit: how often
something was, and of a mean the sum in units of 2^-64. What is no mean is computed of how many
answers there are of each kind: of each label and choice, and of each confidence, right or wrong. A
bootstrap over these is one over questions, for those of a kind change nothing by changing places.

The trap: confidences are rounded to 4 digits for that, so that calibration errors and rankings are
those of rounded confidences.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.confidence import BINS, calibration_error, equal_width_edges, selective
from mcqa.evaluation.metrics import share, summarize, wilson_interval
from mcqa.evaluation.quality import macro_f1, question_values, tied_gold
from mcqa.evaluation.resampling import CELLS, Statistic, concatenate, interval, merge
from mcqa.prediction import Prediction

TALLIED = (Prediction.kind,)  # the kinds of questions that there are sums of
STEPS = 10_000  # from no confidence to all
SHARES = ("accuracy", "top2")
RAISED = ("ece", "ece_equal_mass")  # by noise, so that no bootstrap interval holds the truth
UNIT = 2**64
COUNTED = ("unparsed", "ambiguous", "unlabelled", "truncated")
Z = 1.959964  # of a normal distribution, 95% lie within that many standard deviations


class Tally(Counter):
    """Hold sums of one run's answers; `update` adds those of another part."""

    @classmethod
    def of(cls, predictions: Sequence[Prediction], subject_of: Mapping[str, str | None]) -> "Tally":
        """Return the sums of some predictions, and per subject of the question.

        Raises:
            ConfigError: as of `Answers.of`, or questions are of another kind than `TALLIED`.
        """
        if others := sorted({p.kind for p in predictions} - set(TALLIED)):
            raise ConfigError(
                f"questions of the kinds {', '.join(others)} have no sums of parts; evaluate their "
                "predictions all at once, see mcqa.evaluation.measures."
            )
        tally, summary = cls(), summarize(predictions)
        tally.update({name: summary[name] for name in (*COUNTED, "n")})
        tally["all"] = len(predictions)
        tally["tokens"] = sum(prediction.tokens for prediction in predictions)
        if not summary["n"]:
            return tally
        answers = Answers.of(predictions)
        right_N, scored_N = answers.correct, answers.scored
        tally["scored"] = int(scored_N.sum())
        if tally["scored"]:
            tally.add_mean("chance", 1 / (~np.isnan(answers.log_probabilities)).sum(1)[scored_N])
            tally["tied_gold"] = tied_gold(answers.log_probabilities, answers.labels)
        for name, value_N in question_values(answers).items():
            tally.add_mean(name, value_N[~np.isnan(value_N)])
        tally.count("cell", zip(answers.labels.tolist(), answers.choices.tolist(), strict=True))
        step_N = np.rint(answers.confidence[scored_N] * STEPS).astype(int)
        tally.count("sure", zip(step_N.tolist(), right_N[scored_N].tolist(), strict=True))
        subjects = [subject_of.get(id) for id in answers.ids]
        tally.count("subject", zip(subjects, right_N.tolist(), strict=True))
        return tally

    def add_mean(self, name: str, value_N: np.ndarray) -> None:
        """Add the values of a mean, and their squares for its interval."""
        self["count", name] += len(value_N)
        for what, values in (("sum", value_N), ("squares", value_N.astype(float) ** 2)):
            self[what, name] += sum(int(value * UNIT) for value in values.tolist())

    def count(self, what: str, keys: Iterable[tuple]) -> None:
        """Count how often each key comes."""
        self.update((what, *key) for key in keys)

    def mean(self, name: str, *, share: bool = False) -> tuple[float, int, list[float]] | None:
        """Return a mean, of how many values, and its interval, Wilson's of a share; or None."""
        n = self["count", name]
        if not n:
            return None
        value = self["sum", name] / (UNIT * n)
        if share:
            return value, n, wilson_interval(round(value * n), n)
        variance = max(0.0, self["squares", name] / (UNIT * n) - value**2)
        half = Z * (variance / max(n - 1, 1)) ** 0.5
        return value, n, [value - half, value + half]

    def counted(self, what: str) -> dict[tuple, int]:
        """Return how often each key was counted, in their order."""
        found = {key[1:]: n for key, n in self.items() if isinstance(key, tuple) and key[0] == what}
        return dict(sorted(found.items(), key=lambda item: [(x is not None, x) for x in item[0]]))


def describe_tally(tally: Tally, *, seed: int = 0, resamples: int = 1000) -> dict:
    """Return what `metrics.json` says of a run, out of its sums.

    Args:
        seed, resamples: of the bootstrap, of metrics that are no means.

    Returns:
        `n`, `accuracy` and counts as of `summarize`; `metrics`, each with `value`, `n`, `ci95` and
        how that came about, `wilson`, `normal`, `percentile` or `basic`; `per_subject`.
    """
    n, count = tally["n"], tally["all"]
    summary = {"n": n, "accuracy": None, "accuracy_ci95": None, "chance": None}
    summary |= {name: tally[name] for name in (*COUNTED, "scored", "tied_gold")}
    summary["tokens_per_question"] = tally["tokens"] / count if count else None
    if not n:
        return summary | {"metrics": {}, "per_subject": {}}
    if chance := tally.mean("chance"):
        summary["chance"] = chance[0]
    metrics = {}
    for _, name in [key for key in tally if isinstance(key, tuple) and key[0] == "count"]:
        if name != "chance" and (mean := tally.mean(name, share=name in SHARES)):
            how = "wilson" if name in SHARES else "normal"
            metrics[name] = dict(zip(("value", "n", "ci95"), mean, strict=True), interval=how)
    summary["accuracy"], _, summary["accuracy_ci95"] = tally.mean("accuracy", share=True)
    for what, statistic_of in (("cell", _of_cells), ("sure", _of_confidences)):
        counts = tally.counted(what)
        if not counts:
            continue
        statistic, weight_M = statistic_of(list(counts)), np.array(list(counts.values()))
        if what == "sure":
            statistic = merge([statistic, _equal_mass(list(counts), weight_M)])
        metrics |= _bootstrapped(statistic, weight_M, seed, resamples)
    right_of: dict = {}
    for (subject, right), times in tally.counted("subject").items():
        counts = right_of.setdefault(subject, [0, 0])
        counts[0] += times * right
        counts[1] += times
    subjects = {name: share(*counts) for name, counts in right_of.items() if name is not None}
    return summary | {"metrics": metrics, "per_subject": subjects, "resamples": resamples}


def _of_cells(keys: Sequence[tuple[int, int]]) -> Statistic:
    label_M, choice_M = np.array(keys).T
    return macro_f1(Answers(("",) * len(keys), label_M, choice_M, np.full((len(keys), 1), np.nan)))


def _of_confidences(keys: Sequence[tuple[int, bool]]) -> Statistic:
    sure_M, right_M = _sure(keys)
    error = calibration_error("ece", sure_M, right_M, equal_width_edges(sure_M))
    return merge([error, selective(sure_M, right_M)])


def _equal_mass(keys: Sequence[tuple[int, bool]], weight_M: np.ndarray) -> Statistic:
    """Return the statistic of the error in bins of about as many answers each."""
    sure_M, right_M = _sure(keys)  # ascending
    until_M = np.cumsum(weight_M)
    places = np.floor(np.linspace(0, 1, BINS + 1)[1:-1] * (until_M[-1] - 1))
    inner = np.unique(sure_M[np.searchsorted(until_M, places, side="right")])
    edges = np.array([sure_M[0], *inner, sure_M[-1]])
    return calibration_error("ece_equal_mass", sure_M, right_M, edges)


def _sure(keys: Sequence[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    step_M, right_M = np.array(keys).T
    return step_M / STEPS, right_M.astype(bool)


def _bootstrapped(statistic: Statistic, weight_M: np.ndarray, seed: int, resamples: int) -> dict:
    """Return metrics of answers of M kinds, with intervals of drawing as many of them again."""
    n, rng = int(weight_M.sum()), np.random.default_rng(seed)
    shares_M, rows = weight_M / n, max(1, CELLS // len(weight_M))
    draws = concatenate(
        statistic(rng.multinomial(n, shares_M, size=min(rows, resamples - start)).astype(float))
        for start in range(0, resamples, rows)
    )
    described = {}
    for name, (value,) in statistic(weight_M[None].astype(float)).items():
        known = not np.isnan(value)
        told = known and name not in RAISED
        described[name] = {"value": float(value) if known else None, "n": n}
        described[name]["ci95"] = interval(draws[name]) if told else None
        described[name]["interval"] = "percentile" if told else None
    return described


def tally_pair(a: Sequence[Prediction], b: Sequence[Prediction]) -> Tally:
    """Return sums of two runs' answers to the same labelled questions, those that both answered.

    They are `right`, of (a, b) how often each was, and of each metric the differences, b minus a.

    Raises:
        ConfigError: as of `Answers.of`.
    """
    tally = Tally()
    of_a, of_b = ({p.id: p for p in run if p.label is not None} for run in (a, b))
    ids = [id for id in of_a if id in of_b]
    if not ids:
        return tally
    answers_a, answers_b = (Answers.of([run[id] for id in ids]) for run in (of_a, of_b))
    pairs = zip(answers_a.correct.tolist(), answers_b.correct.tolist(), strict=True)
    tally.count("right", pairs)
    values_a, values_b = question_values(answers_a), question_values(answers_b)
    for name in values_a.keys() & values_b.keys():
        gain_N = values_b[name] - values_a[name]
        tally.add_mean(name, gain_N[~np.isnan(gain_N)])
    return tally
