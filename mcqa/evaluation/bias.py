"""Does a run favour a position, whatever stands there?

Then the recalls of the gold positions lie apart (RStd). How often each is chosen hides that where
the gold positions are uneven. The trap: with few questions they lie apart by luck too, and noise
only raises RStd. Its interval is therefore the basic bootstrap one, bounded at 0.
"""

import numpy as np

from mcqa.evaluation.answers import UNPARSED, Answers
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.resampling import bootstrap, divide, interval, observed


def describe_positions(answers: Answers, *, seed: int = 0, resamples: int = 1000) -> dict:
    """Return the recall of every gold position, their spread, and how often each is chosen.

    These are the `positions` of `metrics.json`. `recall` is None where a position is never gold;
    `rstd` is the standard deviation of the recalls.

    Source:
        Zheng et al. (2024), Large language models are not robust multiple choice selectors,
        arXiv 2309.03882.
    """
    n, label_N, choice_N = len(answers), answers.labels, answers.choices
    positions = []
    for position in range(int(max(label_N.max(), choice_N.max())) + 1):
        gold_N, chosen_N = label_N == position, choice_N == position
        gold, chosen, hits = (int(mask_N.sum()) for mask_N in (gold_N, chosen_N, gold_N & chosen_N))
        positions.append(
            {
                "position": position,
                "gold": gold,
                "chosen": chosen,
                "chosen_share": chosen / n,
                "chosen_ci95": wilson_interval(chosen, n),
                "recall": hits / gold if gold else None,
                "recall_ci95": wilson_interval(hits, gold) if gold else None,
            }
        )
    gold_NP = label_N[:, None] == np.unique(label_N)
    column_NP = np.hstack([gold_NP & answers.correct[:, None], gold_NP]).astype(float)

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        # the recalls are all there are, no sample of them: the sum is divided by their number
        hits_RP, gold_RP = np.hsplit(weight_RN @ column_NP, 2)
        return {"rstd": np.nanstd(divide(hits_RP, gold_RP), axis=1)}

    rstd = observed(statistic, n)["rstd"]
    draws_R = bootstrap(statistic, n, seed=seed, resamples=resamples)["rstd"]
    return {
        "n": n,
        "positions": positions,
        "rstd": {"value": rstd, "n": n, "ci95": interval(draws_R, rstd, at_least=0.0)},
        "unparsed": int((choice_N == UNPARSED).sum()),
        "seed": seed,
        "resamples": resamples,
    }
