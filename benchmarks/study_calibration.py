"""How far is the confidence of a study's runs from their accuracy, without what noise adds?

    python benchmarks/study_calibration.py runs/distilled

Of each run the answers to the test questions are put into 15 bins of about one size by their
confidence. The mean square of the bins' gaps between accuracy and confidence has each gap's
sampling variance taken off (Kumar, Liang and Ma 2019, arXiv 1909.10155); what is left is averaged
over the seeds of an arm, and shown as a root, 0 where noise explains all. Once as the runs say it,
and once over the temperature fitted on each run's validation questions.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from mcqa.evaluation.answers import Answers
from mcqa.evaluation.confidence import bins_of, equal_mass_edges
from mcqa.evaluation.fitting import apply_temperature, fit_temperature
from mcqa.study.inference import read_cell


def squared_error(answers: Answers) -> float:
    """Return the debiased mean square gap of the bins; below 0 where noise is more than the gap."""
    confidence_N = answers.probabilities.max(-1)
    gap_N = answers.correct - confidence_N
    squared = 0.0
    bin_N = bins_of(confidence_N, equal_mass_edges(confidence_N))
    for own in (gap_N[bin_N == one] for one in np.unique(bin_N)):
        if len(own) > 1:
            squared += len(own) * (own.mean() ** 2 - own.var(ddof=1) / len(own))
    return squared / len(gap_N)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", type=Path, help="the folder of a finished study")
    found = defaultdict(list)
    for cell in sorted((parser.parse_args().study / "cells").iterdir()):
        run = read_cell(cell)
        answers = Answers.of(run.tests)
        temperature = fit_temperature(Answers.of(run.validation))["temperature"]
        cooled = squared_error(apply_temperature(answers, temperature))
        found[cell.name.rpartition("-")[0]].append((squared_error(answers), cooled, temperature))
    for arm, rows in found.items():
        before, after = (100 * max(0.0, square) ** 0.5 for square in np.mean(rows, axis=0)[:2])
        heat = ", ".join(f"{row[2]:.2f}" for row in rows)
        print(f"{arm}: {before:.1f} points, {after:.1f} over temperatures {heat}")


if __name__ == "__main__":
    main()
