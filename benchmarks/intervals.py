"""How often do the 95% intervals of one run and of two runs hold the truth? And the old ones?

    python benchmarks/intervals.py --trials 400

Runs are drawn whose truth is known: four options, whose scores are normal noise plus something for
the right one, more or less of it by question; the probabilities are the softmax of the scores
sharpened by a factor, as those of a run that is too sure. The truth of each metric is that of a
million such answers. With groups, questions of a group are as hard as each other.

The last rows are of intervals that earlier versions printed, on calibrated runs and on groups.
`benchmarks/coverage.py` does the same for studies.
"""

import argparse
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from mcqa.evaluation import confidence
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.bias import describe_positions, homogeneity
from mcqa.evaluation.clustered import mean_interval, share_of
from mcqa.evaluation.comparison import compare
from mcqa.evaluation.debiased import debiased_calibration_error
from mcqa.evaluation.groups import describe_groups, macro_accuracy
from mcqa.evaluation.measures import EDGES, describe_run, run_statistic
from mcqa.evaluation.paired import describe_pair
from mcqa.evaluation.resampling import bootstrap, interval, means, observed

OPTIONS, SHARPER, TRUTH_N = 4, 1.5, 200_000
QUESTIONS, GROUPS = (300, 1200), (6, 10, 20, 100)


def draw(rng, n: int, ease_N=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, scores (N, O), and the ease of each question."""
    ease_N = rng.normal(0.8, 1.0, n) if ease_N is None else ease_N
    labels = rng.integers(OPTIONS, size=n)
    scores_NO = rng.normal(size=(n, OPTIONS))
    scores_NO[np.arange(n), labels] += ease_N
    return labels, SHARPER * scores_NO, ease_N


def answers(labels, scores_NO) -> Answers:
    return Answers.from_scores(list(map(str, range(len(labels)))), labels, scores_NO)


def pair(rng, n: int) -> tuple[Answers, Answers]:
    """Return two runs on the same questions, which share half of what makes these hard."""
    labels, scores_NO, ease_N = draw(rng, n)
    other_NO = SHARPER * rng.normal(size=(n, OPTIONS))
    other_NO[np.arange(n), labels] += SHARPER * (ease_N + 0.1)
    other_NO = (other_NO + scores_NO) / 2**0.5
    return answers(labels, scores_NO), answers(labels, other_NO)


def truths() -> dict[str, float]:
    """Return the truth of every metric, of run a and of b minus a."""
    a, b = pair(np.random.default_rng(10**6), TRUTH_N)
    in_a, in_b = (observed(run_statistic(run), TRUTH_N) for run in (a, b))
    known = in_a | {f"difference, {name}": in_b[name] - in_a[name] for name in in_a}
    error = debiased_calibration_error(a.confidence, a.correct)["squared"]
    return known | {"ece_debiased": max(0.0, error) ** 0.5, "over subjects": known["accuracy"]}


def of_runs(seed: int, n: int, resamples: int) -> dict[str, list | None]:
    """Return the intervals of one drawn run, and of a pair of them."""
    a, b = pair(np.random.default_rng([n, seed]), n)
    described = describe_run(a, seed=seed, resamples=resamples)["metrics"]
    found = {name: metric["ci95"] for name, metric in described.items()}
    accuracies = compare(a.correct, b.correct, ("a", "b"), seed=seed, resamples=resamples)
    numbers = {"resamples": resamples, "other_resamples": resamples, "permutations": 1}
    paired = describe_pair(a, b, accuracies, seed=seed, **numbers)["metrics"]
    found |= {f"difference, {name}": metric["ci95"] for name, metric in paired.items()}
    subject = {id: place % 6 for place, id in enumerate(a.ids)}
    found["over subjects"] = macro_accuracy(describe_groups(a, subject, resamples=1))["ci95"]
    return found


def of_groups(seed: int, groups: int, resamples: int) -> dict[str, tuple[list | None, float]]:
    """Return intervals over groups of 10 questions, each with its truth."""
    rng, size = np.random.default_rng([groups, seed]), 10
    cluster_N = np.repeat(np.arange(groups), size)
    labels, scores_NO, _ = draw(rng, groups * size, rng.normal(0.8, 1.5, groups)[cluster_N])
    right_N = answers(labels, scores_NO).correct
    gain_N = rng.normal(size=groups)[cluster_N] + rng.normal(size=groups * size)
    how = {"seed": seed, "resamples": resamples, "cluster_N": cluster_N}
    draws = bootstrap(means({"gain": gain_N}), len(gain_N), **how)
    share = GROUP_SHARE
    return {
        "accuracy, over groups": (share_of(right_N, cluster_N)["ci95"], share),
        "accuracy, as if independent (old)": (share_of(right_N)["ci95"], share),
        "difference, over groups": (mean_interval(gain_N, cluster_N), 0.0),
        "difference, bootstrap over groups (old)": (interval(draws["gain"]), 0.0),
    }


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


def _group_share() -> float:
    rng = np.random.default_rng(7)
    labels, scores_NO, _ = draw(rng, TRUTH_N, rng.normal(0.8, 1.5, TRUTH_N))
    return float(answers(labels, scores_NO).correct.mean())


GROUP_SHARE = _group_share()


def count(kind: str, size: int, trials: int, resamples: int) -> dict[str, tuple[float, float]]:
    """Return the share of intervals that hold the truth, and their mean width, by name."""
    truth = truths() if kind == "runs" else {}
    held, widths, missing = defaultdict(list), defaultdict(list), set()
    for seed in range(trials):
        if kind == "runs":
            made = of_runs(seed, size, resamples)
            found = {name: (ci95, truth.get(name)) for name, ci95 in made.items()}
        else:
            found = {"groups": of_groups, "calibrated": of_calibrated}[kind](seed, size, resamples)
        for name, (ci95, true) in found.items():
            if ci95 is None:
                missing.add(name)
                continue
            held[name].append(ci95[0] - 1e-12 <= true <= ci95[1] + 1e-12)
            widths[name].append(ci95[1] - ci95[0])
    rows = {name: (float(np.mean(held[name])), float(np.mean(widths[name]))) for name in held}
    return rows | dict.fromkeys(missing - held.keys())


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
    arguments = parser.parse_args()
    how = arguments.trials, arguments.resamples
    sizes = {"runs": QUESTIONS, "groups": GROUPS, "calibrated": QUESTIONS}
    with ProcessPoolExecutor(arguments.processes) as pool:
        running = {
            (kind, size): pool.submit(count, kind, size, *how)
            for kind, of_kind in sizes.items()
            for size in of_kind
        }
        for kind, of_kind in sizes.items():
            title = "groups of 10" if kind == "groups" else "questions"
            print(
                table(title, {size: running[kind, size].result() for size in of_kind}), end="\n\n"
            )


if __name__ == "__main__":
    main()
