"""How often do the 95% intervals of one run and of two runs hold the truth? And the old ones?

    python -m benchmarks.intervals --trials 400 --processes 2
    python -m benchmarks.intervals --part groups

Runs are drawn whose truth is known. Choices: four options, whose scores are normal noise plus
something for the right one, more or less of it by question; the probabilities are the softmax of
the scores sharpened by a factor, as those of a run that is too sure. Sets, scales and yes or no are
drawn alike. The truth of each metric is that of so many such answers that it is known to less than
a tenth of an interval. With groups of 10, questions of a group are as hard as each other.

Rows called old are of intervals that earlier versions printed, and print no more.
`benchmarks/coverage.py` does the same for studies.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import numpy as np

from mcqa.evaluation import confidence
from mcqa.evaluation.answers import Answers, log_softmax
from mcqa.evaluation.bias import describe_positions, homogeneity
from mcqa.evaluation.clustered import mean_interval
from mcqa.evaluation.comparison import compare
from mcqa.evaluation.debiased import debiased_calibration_error
from mcqa.evaluation.groups import describe_groups, macro_accuracy
from mcqa.evaluation.measures import EDGES, calibration_error, describe_run, run_statistic
from mcqa.evaluation.metrics import share
from mcqa.evaluation.orders import describe_orders
from mcqa.evaluation.paired import agreement, describe_pair
from mcqa.evaluation.resampling import bootstrap, interval, means, observed
from mcqa.evaluation.sets import AnyAnswers, SetAnswers

OPTIONS, SHARPER, TRUTH_N = 4, 1.5, 200_000
Found = dict[str, tuple[list | None, float | None]]
"""Intervals, each with its truth, by what they are of."""


def draw(rng, n: int, ease_N=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, scores (N, O), and the ease of each question."""
    ease_N = rng.normal(0.8, 1.0, n) if ease_N is None else ease_N
    labels = rng.integers(OPTIONS, size=n)
    scores_NO = rng.normal(size=(n, OPTIONS))
    scores_NO[np.arange(n), labels] += ease_N
    return labels, SHARPER * scores_NO, ease_N


def answers(labels, scores_NO) -> Answers:
    return Answers.from_scores(_ids(len(labels)), labels, scores_NO)


def pair(rng, n: int, ease_N=None) -> tuple[Answers, Answers]:
    """Return two runs on the same questions, which share half of what makes these hard."""
    labels, scores_NO, ease_N = draw(rng, n, ease_N)
    other_NO = SHARPER * rng.normal(size=(n, OPTIONS))
    other_NO[np.arange(n), labels] += SHARPER * (ease_N + 0.1)
    other_NO = (other_NO + scores_NO) / 2**0.5
    return answers(labels, scores_NO), answers(labels, other_NO)


def of_kind(rng, n: int, kind: str) -> AnyAnswers:
    """Return answers to questions of a kind, of which a scale has soft labels too."""
    if kind == "several":
        right_NO = rng.random((n, OPTIONS)) < 0.4
        odds_NO = SHARPER * (rng.normal(size=(n, OPTIONS)) + 2 * right_NO - 1)
        return SetAnswers(_ids(n), right_NO, odds_NO >= 0, np.ones(n, dtype=bool), odds_NO)
    if kind == "yes_no":
        labels = rng.integers(2, size=n)
        odds_N = SHARPER * (rng.normal(size=n) + 2 * labels - 1)
        scores_NO, targets_NO = np.column_stack([np.zeros(n), odds_N]), None
    else:
        labels, levels = rng.integers(5, size=n), np.arange(5)
        near_NO = labels[:, None] + rng.normal(0, 1.0, (n, 1)) - levels
        scores_NO = -(near_NO**2) * SHARPER / 2
        targets_NO = np.exp(log_softmax(-((labels[:, None] - levels) ** 2.0)))
    log_NO = log_softmax(scores_NO)
    return Answers(_ids(n), labels, log_NO.argmax(1), log_NO, kind, targets_NO)


def orders(rng, n: int) -> tuple:
    """Return labels, choices and scores of a letter scorer that favours the first place."""
    labels, scores_NO, _ = draw(rng, n)
    scores_NPO = np.repeat(scores_NO[:, None], OPTIONS, axis=1)
    for turn in range(OPTIONS):  # where option o stands in this rotation
        scores_NPO[:, turn, turn] += 1.0
    scores_NPO += rng.normal(0, 0.5, scores_NPO.shape)
    return labels.tolist(), scores_NPO.argmax(2).tolist(), scores_NPO.tolist()


def of_orders(found: dict) -> dict:
    names = ("flip_rate", "consistency", "accuracy_over_orders", "averaged_accuracy")
    return {f"orders: {name}": found[name] for name in names}


def _ids(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n)))


@cache
def truths() -> dict[str, float]:
    """Return the truth of every metric, of run a and of b minus a, and of each kind."""
    rng = np.random.default_rng(10**6)
    a, b = pair(rng, TRUTH_N)
    in_a, in_b = (observed(run_statistic(run), TRUTH_N) for run in (a, b))
    known = in_a | {f"difference, {name}": in_b[name] - in_a[name] for name in in_a}
    known |= {"ece_debiased": calibration_error(a)["value"], "over subjects": known["accuracy"]}
    told = agreement(a.choices, b.choices, resamples=1)
    known |= {"agreement": told["share"], "Cohen's kappa": told["kappa"]}
    for kind in ("several", "scale", "yes_no"):
        run = of_kind(rng, TRUTH_N, kind)
        values = observed(run_statistic(run), TRUTH_N)
        values["ece_debiased"] = calibration_error(run)["value"]
        known |= {f"{kind}: {name}": value for name, value in values.items()}
    told = of_orders(describe_orders(*orders(rng, TRUTH_N // 4), resamples=1))
    return known | {name: found["value"] for name, found in told.items()}


@cache
def group_truths() -> dict[str, float]:
    rng = np.random.default_rng(7)
    a, b = pair(rng, TRUTH_N, rng.normal(0.8, 1.5, TRUTH_N))
    in_a, in_b = (observed(run_statistic(run), TRUTH_N) for run in (a, b))
    return in_a | {f"difference, {name}": in_b[name] - in_a[name] for name in in_a}


def of_runs(seed: int, n: int, resamples: int) -> Found:
    """Return the intervals of one drawn run, and of a pair of them."""
    a, b = pair(np.random.default_rng([n, seed]), n)
    found = _of_one_and_two(a, b, seed, resamples)
    subject = {id: place % 6 for place, id in enumerate(a.ids)}
    found["over subjects"] = macro_accuracy(describe_groups(a, subject, resamples=1))["ci95"]
    told = agreement(a.choices, b.choices, seed=seed, resamples=resamples)
    found |= {"agreement": told["share_ci95"], "Cohen's kappa": told["kappa_ci95"]}
    return {name: (ci95, truths().get(name)) for name, ci95 in found.items()}


def of_kinds(seed: int, n: int, resamples: int) -> Found:
    """Return the intervals of runs on other kinds of questions, and of other orders of options."""
    rng, found = np.random.default_rng([n, seed, 2]), {}
    for kind in ("several", "scale", "yes_no"):
        run = of_kind(rng, n, kind)
        described = describe_run(run, seed=seed, resamples=resamples)["metrics"]
        found |= {f"{kind}: {name}": metric["ci95"] for name, metric in described.items()}
    described = describe_orders(*orders(rng, n), seed=seed, resamples=resamples)
    found |= {name: told["ci95"] for name, told in of_orders(described).items()}
    return {name: (ci95, truths().get(name)) for name, ci95 in found.items()}


def _of_one_and_two(a: Answers, b: Answers, seed: int, resamples: int, cluster_N=None) -> dict:
    """Return the intervals of a run's metrics, and of what another has more."""
    how = {"seed": seed, "cluster_N": cluster_N}
    described = describe_run(a, resamples=resamples, **how)["metrics"]
    found = {name: metric["ci95"] for name, metric in described.items()}
    accuracies = compare(a.correct, b.correct, ("a", "b"), resamples=resamples, **how)
    drawn = {"resamples": resamples, "other_resamples": resamples, "permutations": 1}
    paired = describe_pair(a, b, accuracies, **drawn, **how)["metrics"]
    return found | {f"difference, {name}": metric["ci95"] for name, metric in paired.items()}


def of_groups(seed: int, groups: int, resamples: int) -> Found:
    """Return intervals over groups of 10 questions, and the old ones."""
    rng, size = np.random.default_rng([groups, seed]), 10
    cluster_N = np.repeat(np.arange(groups), size)
    a, b = pair(rng, groups * size, rng.normal(0.8, 1.5, groups)[cluster_N])
    truth = group_truths()
    every = _of_one_and_two(a, b, seed, resamples, cluster_N)
    names = ("accuracy", "nll", "macro_f1", "auroc", "aurc", "accuracy_at_50")
    names += ("difference, accuracy", "difference, nll", "difference, auroc")
    found = {f"{name}, over groups": (every[name], truth[name]) for name in names}
    right, n = int(a.correct.sum()), len(a)
    found["accuracy, as if independent (old)"] = share(right, n)["ci95"], truth["accuracy"]
    gain_N = rng.normal(size=groups)[cluster_N] + rng.normal(size=n)
    columns = {"nll": -a.log_likelihood, "gain": gain_N}
    how = {"seed": seed, "resamples": resamples, "cluster_N": cluster_N}
    draws = bootstrap(means(columns), n, **how)
    found["nll, bootstrap over groups (old)"] = interval(draws["nll"]), truth["nll"]
    found["difference that goes by groups"] = mean_interval(gain_N, cluster_N), 0.0
    found["the same, bootstrap over groups (old)"] = interval(draws["gain"]), 0.0
    return found


def of_calibrated(seed: int, n: int, resamples: int) -> dict[str, tuple[list | None, float]]:
    """Return intervals of calibrated and unbiased runs, whose true error and spread are 0."""
    rng = np.random.default_rng([n, seed, 1])
    sure_N = 0.2 + 0.8 * rng.beta(4, 2, size=n)
    right_N, found = rng.random(n) < sure_N, {}
    for name, edges_of in EDGES.items():
        statistic = confidence.calibration_error(name, sure_N, right_N, edges_of(sure_N))
        draws = bootstrap(statistic, n, seed=seed, resamples=resamples)[name]
        found[f"{name}, calibrated run (old)"] = (_basic(draws, observed(statistic, n)[name]), 0.0)
    error = debiased_calibration_error(sure_N, right_N)
    found["ece_debiased, calibrated run"] = (error["ci95"], 0.0)
    labels = rng.integers(OPTIONS, size=n)
    choices = np.where(rng.random(n) < 0.6, labels, (labels + 1) % OPTIONS)
    nothing_NO = np.full((n, OPTIONS), np.nan)
    run = Answers(tuple(map(str, range(n))), labels, choices, nothing_NO)
    spread = describe_positions(run)["rstd"]["value"]
    gold_NP = labels[:, None] == np.arange(OPTIONS)
    column_NP = np.hstack([gold_NP & (labels == choices)[:, None], gold_NP]).astype(float)

    def rstd(weight_RN):
        hits_RP, gold_RP = np.hsplit(weight_RN @ column_NP, 2)
        return {"rstd": np.std(hits_RP / gold_RP, axis=1)}

    draws = bootstrap(rstd, n, seed=seed, resamples=resamples)["rstd"]
    found["rstd, unbiased run (old)"] = (_basic(draws, spread), 0.0)
    p_value = homogeneity(labels, labels == choices)["p_value"]
    # as an interval: it holds the truth where the test does not reject
    found["homogeneity test, unbiased run"] = ([0.0, 1.0] if p_value >= 0.05 else [1.0, 1.0], 0.0)
    return found


def _basic(draws_R, value: float) -> list[float]:
    """Return the reflected bootstrap interval, not below 0, that was printed before."""
    low, high = np.quantile(draws_R, (0.025, 0.975))
    return [max(0.0, 2 * value - high), max(0.0, 2 * value - low)]


PARTS: dict[str, tuple[Callable[[int, int, int], Found], tuple[int, ...]]] = {
    "runs": (of_runs, (300, 1200)),
    "kinds": (of_kinds, (300, 1200)),
    "groups": (of_groups, (6, 10, 20, 100)),
    "calibrated": (of_calibrated, (300, 1200)),
}


def count(part: str, size: int, trials: int, resamples: int) -> dict[str, tuple[float, float]]:
    """Return the share of intervals that hold the truth, and their mean width, by name."""
    held, widths, find = defaultdict(list), defaultdict(list), PARTS[part][0]
    for seed in range(trials):
        for name, (ci95, true) in find(seed, size, resamples).items():
            if ci95 is not None:
                held[name].append(ci95[0] - 1e-12 <= true <= ci95[1] + 1e-12)
                widths[name].append(ci95[1] - ci95[0])
    return {name: (float(np.mean(held[name])), float(np.mean(widths[name]))) for name in held}


def table(title: str, columns: dict[int, dict]) -> str:
    """Return a Markdown table: coverage and mean width, a column for each size."""
    names = dict.fromkeys(name for rows in columns.values() for name in rows)
    lines = [f"| interval | {' | '.join(f'{size:,} {title}' for size in columns)} |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name in names:
        found = (rows.get(name) for rows in columns.values())
        cells = ("none" if of is None else f"{of[0]:.1%} ({of[1]:.3f})" for of in found)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--part", choices=PARTS, action="append", help="by default all")
    arguments = parser.parse_args()
    how = arguments.trials, arguments.resamples
    sizes = {part: PARTS[part][1] for part in arguments.part or PARTS}
    with ProcessPoolExecutor(arguments.processes) as pool:
        running = {
            (part, size): pool.submit(count, part, size, *how)
            for part, of_part in sizes.items()
            for size in reversed(of_part)  # the longest first
        }
        for part, of_part in sizes.items():
            columns = {size: running[part, size].result() for size in of_part}
            title = "groups of 10" if part == "groups" else "questions"
            print(table(title, columns), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
