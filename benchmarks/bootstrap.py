"""How long do 10,000 paired bootstrap resamples over a large data set take, in what memory?

    python benchmarks/bootstrap.py

Two synthetic runs over 182,822 questions of 4 options (the size of MedMCQA's training set), and
the differences of every metric that is a mean over questions: accuracy, top-2, MRR, MAP@3, NLL,
Brier. With `--all` also those that are not (calibration errors, AUROC, AURC, macro-F1).
"""

import argparse
import json
import resource
import time

import numpy as np
import scipy

from mcqa.evaluation.answers import Answers
from mcqa.evaluation.measures import metric_interval
from mcqa.evaluation.paired import bootstrap_differences, mean_differences
from mcqa.evaluation.resampling import bootstrap, means
from mcqa.evaluation.table import METRICS
from mcqa.system.hardware import describe_hardware


def synthetic_runs(n: int, options: int = 4, seed: int = 0) -> tuple[Answers, Answers]:
    """Return two runs that know the same questions in part, the second a little better."""
    rng = np.random.default_rng(seed)
    label_N = rng.integers(options, size=n)
    is_gold_NO = label_N[:, None] == np.arange(options)
    shared_NO = rng.normal(size=(n, options))
    ids = [str(number) for number in range(n)]
    runs = []
    for strength in (1.0, 1.05):
        scores_NO = strength * is_gold_NO + shared_NO + rng.normal(size=(n, options))
        runs.append(Answers.from_scores(ids, label_N, scores_NO))
    return runs[0], runs[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=182_822)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--all", action="store_true", help="also metrics that are not means")
    arguments = parser.parse_args()

    a, b = synthetic_runs(arguments.questions)
    before = _peak_megabytes()
    started = time.perf_counter()
    if arguments.all:
        draws = bootstrap_differences(
            a, b, resamples=arguments.resamples, other_resamples=arguments.resamples
        )
    else:
        columns = mean_differences(a, b)
        draws = bootstrap(means(columns), len(a), resamples=arguments.resamples)
    seconds = time.perf_counter() - started
    result = {
        "questions": arguments.questions,
        "resamples": arguments.resamples,
        "seconds": round(seconds, 2),
        "peak_megabytes": round(_peak_megabytes()),
        "peak_megabytes_before": round(before),
        "hardware": describe_hardware(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "ci95": {
            name: metric_interval(metric, draws[name])
            for name, metric in METRICS.items()
            if name in draws
        },
    }
    print(json.dumps(result, indent=2))


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux


if __name__ == "__main__":
    main()
