"""Do 95% intervals of the difference of two formulations cover the truth, and how wide are they?

    python benchmarks/coverage.py

Two formulations of the same strength, each trained with some seeds, answer the same questions. A
run is right where its logit is above 0: 0.2, plus normal effects of the question (sd 1.5), of the
formulation on the question (0.5), of the seed, and of the seed on the question, the last two as the
table says. The true difference is 0, and the true accuracy is known too.

Compared are the percentile bootstrap over questions, of seed means, and the intervals of
`mcqa.evaluation.crossed` for a difference and for one formulation's accuracy.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
from scipy import stats

from mcqa.evaluation.crossed import difference, mean
from mcqa.evaluation.resampling import bootstrap, interval, means

START, QUESTION, FORMULATION_QUESTION = 0.2, 1.5, 0.5
SEEDS, QUESTIONS = (3, 5, 10), (300, 1200)
EFFECTS = ((0.0, 0.5), (0.1, 0.5), (0.2, 0.5), (0.2, 1.0), (0.4, 0.5))
METHODS = ("questions only", "crossed", "accuracy, crossed")


def draw_table(rng, logit_N: np.ndarray, seeds: int, sd: float, sd_question: float) -> np.ndarray:
    """Return (S, N) whether each run of one formulation is right."""
    n = len(logit_N)
    logit_N = logit_N + rng.normal(0, FORMULATION_QUESTION, n)
    of_seed = rng.normal(0, sd, (seeds, 1)) + rng.normal(0, sd_question, (seeds, n))
    return (logit_N + of_seed > 0).astype(float)


def true_accuracy(sd: float, sd_question: float) -> float:
    """Return how often a normal logit of these effects is above 0."""
    effects = np.array([QUESTION, FORMULATION_QUESTION, sd, sd_question])
    return float(stats.norm.cdf(START / np.sqrt(np.square(effects).sum())))


def simulate(setting: tuple, *, trials: int, resamples: int) -> dict:
    """Return each method's coverage and mean width, in percent and points, in one setting."""
    seeds, n, (sd, sd_question) = setting
    rng = np.random.default_rng([seeds, n, round(100 * sd), round(100 * sd_question)])
    truths = dict.fromkeys(METHODS, 0.0) | {METHODS[2]: true_accuracy(sd, sd_question)}
    covered, width = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0.0)
    for trial in range(trials):
        logit_N = START + rng.normal(0, QUESTION, n)
        a_SN, b_SN = (draw_table(rng, logit_N, seeds, sd, sd_question) for _ in "ab")
        gain = means({"gain": a_SN.mean(0) - b_SN.mean(0)})
        draws = bootstrap(gain, n, seed=trial, resamples=resamples)["gain"]
        found = interval(draws), difference(a_SN, b_SN).ci95, mean(a_SN).ci95
        for method, (low, high) in zip(METHODS, found, strict=True):
            covered[method] += low <= truths[method] <= high
            width[method] += high - low
    return {
        "seeds": seeds,
        "questions": n,
        "sd_seed": sd,
        "sd_seed_question": sd_question,
        "coverage": {method: covered[method] / trials for method in METHODS},
        "width": {method: width[method] / trials for method in METHODS},
    }


def table(rows: list[dict]) -> str:
    """Return the rows as a Markdown table: coverage, and the mean width in points."""
    lines = [
        f"| seeds | questions | sd of seed, seed x question | {' | '.join(METHODS)} |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        found = (f"{row['coverage'][m]:.1%} ({100 * row['width'][m]:.1f})" for m in METHODS)
        effects = f"{row['sd_seed']:g}, {row['sd_seed_question']:g}"
        cells = [str(row["seeds"]), f"{row['questions']:,}", effects, *found]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    settings = list(product(SEEDS, QUESTIONS, EFFECTS))
    how = {"trials": arguments.trials, "resamples": arguments.resamples}
    with ProcessPoolExecutor(arguments.processes) as pool:
        running = [pool.submit(simulate, setting, **how) for setting in settings]
        rows = [each.result() for each in running]
    print(json.dumps(rows, indent=2) if arguments.json else table(rows))


if __name__ == "__main__":
    main()
