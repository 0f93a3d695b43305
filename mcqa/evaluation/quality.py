"""What one answer is worth: a value per question for every metric that is a mean of such values.

Of equally likely options the earlier ranks first, as in the choice itself: rank 1 means right.
Log-probabilities are (N, O), NaN where an option does not exist; labels (N,) 0-based indices.
"""

import numpy as np

from mcqa.evaluation.answers import UNPARSED, Answers
from mcqa.evaluation.resampling import Statistic, divide


def gold_rank(log_probability_NO: np.ndarray, label_N: np.ndarray) -> np.ndarray:
    """Return each right option's rank, 1 for the likeliest, NaN where it has no probability."""
    gold_N1 = _gold(log_probability_NO, label_N)
    earlier_NO = np.arange(log_probability_NO.shape[1]) < label_N[:, None]
    tied_NO = log_probability_NO == gold_N1
    ahead_NO = (log_probability_NO > gold_N1) | (tied_NO & earlier_NO)
    return np.where(np.isnan(gold_N1[:, 0]), np.nan, 1.0 + ahead_NO.sum(1))


def tied_gold(log_probability_NO: np.ndarray, label_N: np.ndarray) -> int:
    """Return for how many questions another option is exactly as likely as the right one."""
    return int(((log_probability_NO == _gold(log_probability_NO, label_N)).sum(1) > 1).sum())


def brier_scores(log_probability_NO: np.ndarray, label_N: np.ndarray) -> np.ndarray:
    """Return the squared distance of the probabilities to the truth, from 0 to 2.

    Source:
        Brier (1950), Verification of forecasts expressed in terms of probability: the sum over
        all options. Some libraries halve it for two options.
    """
    probability_NO = np.exp(log_probability_NO)
    gold_N = np.exp(_gold(log_probability_NO, label_N)[:, 0])
    # sum of (p - y)², y being 1 for the right option and 0 for the others
    return np.nansum(probability_NO**2, axis=1) - 2 * gold_N + 1


def question_values(answers: Answers) -> dict[str, np.ndarray]:
    """Return each metric's value for every question, for metrics that are means over questions.

    NaN where the answer has no scores; without any scores only `accuracy`. Not all of them are
    metrics of every kind; see `mcqa.evaluation.table`.
    """
    known = answers.log_probabilities, answers.labels
    rank_N = gold_rank(*known)
    unknown_N = np.isnan(rank_N)
    accuracy = {"accuracy": answers.correct.astype(float)}
    if unknown_N.all():
        return accuracy
    return {
        **accuracy,
        "top2": np.where(unknown_N, np.nan, rank_N <= 2),
        "mrr": 1 / rank_N,
        "map3": np.where(unknown_N, np.nan, (rank_N <= 3) / rank_N),
        "nll": -_gold(*known)[:, 0],
        "brier": brier_scores(*known),
    }


def macro_f1(answers: Answers) -> Statistic:
    """Return the statistic `macro_f1`: the mean F1 of the positions that are a label or a choice.

    An answer that was not parsed chooses none: its label's recall falls, no position's precision.
    """
    label_N1, choice_N1 = answers.labels[:, None], answers.choices[:, None]
    position_P = np.setdiff1d(np.union1d(label_N1, choice_N1), [UNPARSED])
    gold_NP, chosen_NP = label_N1 == position_P, choice_N1 == position_P
    counts_NP = np.hstack([gold_NP & chosen_NP, gold_NP, chosen_NP]).astype(float)

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        hits_RP, gold_RP, chosen_RP = np.hsplit(weight_RN @ counts_NP, 3)
        f1_RP = divide(2 * hits_RP, gold_RP + chosen_RP)
        occurs_RP = ~np.isnan(f1_RP)
        return {"macro_f1": np.nansum(f1_RP, axis=1) / occurs_RP.sum(1)}

    return statistic


def confusion(label_N: np.ndarray, choice_N: np.ndarray) -> dict:
    """Return how often each position was chosen (columns) for each gold position (rows).

    `positions` are from 0 to the last that occurs; `unparsed` is per gold position.
    """
    size = int(max(label_N.max(), choice_N.max())) + 1
    counts = np.zeros((size, size + 1), dtype=int)
    np.add.at(counts, (label_N, choice_N), 1)  # -1, not parsed, is the last column
    return {
        "positions": list(range(size)),
        "counts": counts[:, :-1].tolist(),
        "unparsed": counts[:, -1].tolist(),
    }


def _gold(value_NO: np.ndarray, label_N: np.ndarray) -> np.ndarray:
    """Return the value of the right option as (N, 1), NaN where there is none."""
    # An answer without scores may have a label beyond the most options that others have.
    inside_N = np.minimum(label_N, value_NO.shape[1] - 1)[:, None]
    gold_N1 = np.take_along_axis(value_NO, inside_N, axis=1)
    return np.where(inside_N == label_N[:, None], gold_N1, np.nan)
