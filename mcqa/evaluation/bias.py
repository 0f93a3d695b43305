"""Does a run favour a position, whatever stands there?

Then the recalls of the gold positions lie apart (RStd). How often each is chosen hides that where
the gold positions are uneven. The trap: with few questions they lie apart by luck too, and noise
only raises RStd. So it has no interval; whether the recalls differ at all is told by a test.
"""

import numpy as np
from scipy.stats import chi2

from mcqa.evaluation.answers import UNPARSED, Answers
from mcqa.evaluation.clustered import renumber, share_of
from mcqa.evaluation.resampling import FEWEST, count_groups


def describe_positions(answers: Answers, *, cluster_N: np.ndarray | None = None) -> dict:
    """Return the recall of every gold position, their spread, and how often each is chosen.

    These are the `positions` of `metrics.json`. `recall` is None where a position is never gold;
    `rstd` is the standard deviation of the recalls, and `homogeneity` the test of whether they
    differ (see `homogeneity`). `cluster_N` is the group of each question, numbered from 0.

    Source:
        Zheng et al. (2024), Large language models are not robust multiple choice selectors,
        arXiv 2309.03882.
    """
    n, label_N, choice_N = len(answers), answers.labels, answers.choices
    positions = []
    for position in range(int(max(label_N.max(), choice_N.max())) + 1):
        gold_N, chosen_N = label_N == position, choice_N == position
        gold, chosen, hits = (int(mask_N.sum()) for mask_N in (gold_N, chosen_N, gold_N & chosen_N))
        recall = share_of(chosen_N[gold_N], renumber(cluster_N, gold_N))
        positions.append(
            {
                "position": position,
                "gold": gold,
                "chosen": chosen,
                "chosen_share": chosen / n,
                "chosen_ci95": share_of(chosen_N, cluster_N)["ci95"],
                "recall": hits / gold if gold else None,
                "recall_ci95": recall["ci95"] if recall else None,
            }
        )
    # the recalls are all there are, no sample of them: the sum is divided by their number
    rstd = np.std([at["recall"] for at in positions if at["recall"] is not None])
    return {
        "n": n,
        "positions": positions,
        "rstd": {"value": float(rstd), "n": n, "ci95": None},
        "homogeneity": homogeneity(label_N, answers.correct, cluster_N),
        "unparsed": int((choice_N == UNPARSED).sum()),
    }


def homogeneity(
    label_N: np.ndarray, correct_N: np.ndarray, cluster_N: np.ndarray | None = None
) -> dict | None:
    """Test whether the recalls of the gold positions differ by more than luck.

    Pearson's chi-squared test, which is the score test of one recall for all. Where questions come
    in groups the scores' variance is that over groups.

    Returns:
        `statistic`, `degrees_of_freedom` and `p_value`; None with a single gold position, where all
        or none are right, or with fewer groups than `FEWEST`.

    Source:
        Boos (1992), On generalized score tests.
    """
    gold_NP = (label_N[:, None] == np.unique(label_N)[1:]).astype(float)  # the first follows
    centred_NP, gap_N = gold_NP - gold_NP.mean(0), correct_N - correct_N.mean()
    score_NP, freedom = centred_NP * gap_N[:, None], gold_NP.shape[1]
    groups = len(label_N) if cluster_N is None else count_groups(cluster_N)
    if groups < max(FEWEST, freedom + 2) or not freedom or not score_NP.any():
        return None
    total_P = score_NP.sum(0)
    if cluster_N is None:
        variance_PP = (gap_N**2).mean() * centred_NP.T @ centred_NP
    else:
        sum_GP = np.zeros((groups, freedom))
        np.add.at(sum_GP, cluster_N, score_NP)
        variance_PP = sum_GP.T @ sum_GP * groups / (groups - 1)
    statistic = float(total_P @ np.linalg.pinv(variance_PP) @ total_P)
    p_value = float(chi2.sf(statistic, freedom))
    return {"statistic": statistic, "degrees_of_freedom": freedom, "p_value": p_value}
