"""What is measured of one kind of question beside accuracy: sets, levels, yes or no, soft labels.

All take arrays. `exists_NO` says which options there are; label and choice of `several` are masks
(N, O). A question with two empty sets, label and choice, counts as wholly right.
"""

import numpy as np
from sklearn.metrics import cohen_kappa_score, precision_recall_curve, roc_auc_score


def hamming_loss(label_NO: np.ndarray, choice_NO: np.ndarray, exists_NO: np.ndarray) -> np.ndarray:
    """Return (N,) the share of each question's options that are judged wrongly."""
    return ((label_NO != choice_NO) & exists_NO).sum(1) / exists_NO.sum(1)


def jaccard(label_NO: np.ndarray, choice_NO: np.ndarray) -> np.ndarray:
    """Return (N,) how many options are both right and chosen, of those that are either."""
    either_N = (label_NO | choice_NO).sum(1)
    both_N = (label_NO & choice_NO).sum(1)
    return np.where(either_N, both_N / np.maximum(either_N, 1), 1.0)


def f1(label: np.ndarray, choice: np.ndarray) -> float:
    """Return the F1 score over all options of all questions: the micro average.

    >>> f1(np.array([[True, True, False]]), np.array([[True, False, True]]))
    0.5
    """
    total = label.sum() + choice.sum()
    return float(2 * (label & choice).sum() / total) if total else 1.0


def f1_by_option(label_NO: np.ndarray, choice_NO: np.ndarray) -> list[float]:
    """Return the F1 score of each place among the options, over the questions."""
    return [
        f1(label_N, choice_N) for label_N, choice_N in zip(label_NO.T, choice_NO.T, strict=True)
    ]


def level_error(label_N: np.ndarray, level_N: np.ndarray) -> np.ndarray:
    """Return (N,) how many levels off each answer is; expected levels may be fractions."""
    return np.abs(label_N - level_N)


def quadratic_kappa(label_N: np.ndarray, choice_N: np.ndarray) -> float:
    """Return Cohen's kappa with quadratic weights; NaN where only one level occurs.

    Source: Cohen (1968), Weighted kappa.
    """
    if len(set(label_N) | set(choice_N)) < 2:
        return float("nan")
    return float(cohen_kappa_score(label_N, choice_N, weights="quadratic"))


def auroc_of_yes(is_yes_N: np.ndarray, probability_N: np.ndarray) -> float:
    """Return how often a yes has a higher probability than a no; NaN where only one occurs."""
    if len(set(is_yes_N)) < 2:
        return float("nan")
    return float(roc_auc_score(is_yes_N, probability_N))


def threshold_at_precision(
    is_yes_N: np.ndarray, probability_N: np.ndarray, precision: float
) -> dict | None:
    """Return the lowest threshold from which on those called yes are right so often.

    Args:
        is_yes_N: (N,) whether yes is right.
        probability_N: (N,) of yes.
        precision: the share of right ones among those called yes, 0 to 1.

    Returns:
        `threshold`, and `precision` and `recall` there; None where no threshold reaches it.
    """
    precision_T, recall_T, threshold_T = precision_recall_curve(is_yes_N, probability_N)
    reached = np.flatnonzero((precision_T[:-1] >= precision) & (recall_T[:-1] > 0))
    if not len(reached):
        return None
    first = reached[0]
    return {
        "threshold": float(threshold_T[first]),
        "precision": float(precision_T[first]),
        "recall": float(recall_T[first]),
    }


def total_variation(target_NO: np.ndarray, probability_NO: np.ndarray) -> np.ndarray:
    """Return (N,) half of the summed differences of two distributions, 0 to 1."""
    return np.abs(np.nan_to_num(target_NO) - np.nan_to_num(probability_NO)).sum(1) / 2


def soft_nll(target_NO: np.ndarray, log_probability_NO: np.ndarray) -> np.ndarray:
    """Return (N,) the cross-entropy of the probabilities with the targets, in nats."""
    target_NO = np.nan_to_num(target_NO)
    logs_NO = np.where(target_NO > 0, log_probability_NO, 0)
    return -(target_NO * logs_NO).sum(1)
