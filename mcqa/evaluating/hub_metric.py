"""The metrics as an `evaluate.Metric`, for code built on that library; it needs no network.

MultipleChoiceMetric().compute(predictions=[0, 1], references=[0, 2])["accuracy"]
"""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import UNPARSED, Answers, pad
from mcqa.evaluation.measures import describe_run

DESCRIPTION = "Accuracy, ranking and calibration of answers to multiple-choice questions."
INPUTS = """
predictions: 0-based index of the chosen option of each question, -1 where none was parsed.
references: 0-based index of the right option.
probabilities: optionally the options' probabilities of each question, in lists that may differ
    in length; without them only accuracy and macro-F1 are returned. A probability of 0 counts as
    the smallest that a float holds, so that its logarithm is a number.
"""


class MultipleChoiceMetric(evaluate.Metric):
    """Compute every metric of a run from choices, right options and probabilities.

    `compute` returns `n`, `unparsed`, and each metric of `mcqa.evaluation.table.METRICS` that is
    defined, with its 95% interval under the same name and `_ci95`. It raises a ConfigError where
    the inputs are not as `INPUTS` describes them.
    """

    def _info(self) -> evaluate.MetricInfo:
        columns = dict.fromkeys(("predictions", "references"), datasets.Value("int64"))
        features = datasets.Features(columns)
        told = {"description": DESCRIPTION, "inputs_description": INPUTS, "citation": ""}
        return evaluate.MetricInfo(features=features, **told)

    def _compute(
        self,
        predictions: Sequence[int],
        references: Sequence[int],
        probabilities: Sequence[Sequence[float]] | None = None,
        seed: int = 0,
    ) -> dict:
        described = describe_run(_answers(predictions, references, probabilities), seed=seed)
        result = {"n": described["n"], "unparsed": described["unparsed"]}
        for name, metric in described["metrics"].items():
            if metric["value"] is not None:
                result |= {name: metric["value"], f"{name}_ci95": metric["ci95"]}
        return result


def _answers(predictions, references, probabilities) -> Answers:
    choice_N, label_N = np.asarray(predictions, dtype=int), np.asarray(references, dtype=int)
    n, given = len(label_N), len(choice_N)
    if not n or given != n:
        raise ConfigError(f"{given} predictions and {n} references; give one of each per question.")
    rows = [None] * n if probabilities is None else [list(row) for row in probabilities]
    if len(rows) != n:
        raise ConfigError(f"{len(rows)} lists of probabilities for {n} questions; give one each.")
    probability_NO = pad(rows)
    options_N = [np.inf if row is None else len(row) for row in rows]
    if (choice_N < UNPARSED).any() or (choice_N >= options_N).any():
        raise ConfigError("a prediction is not the 0-based index of an option, nor -1 (unparsed).")
    if (label_N < 0).any() or (label_N >= options_N).any():
        raise ConfigError("a reference is not the 0-based index of an option.")
    if not all(0 <= p <= 1 for row in rows if row is not None for p in row):
        raise ConfigError("a probability is not between 0 and 1; scores must be normalised first.")
    log_NO = np.log(np.maximum(probability_NO, np.finfo(float).tiny))
    return Answers(tuple(map(str, range(n))), label_N, choice_N, log_NO)
