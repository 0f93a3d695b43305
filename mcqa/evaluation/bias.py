"""Does a run favour a position, whatever stands there?

A run that favours A gets more of the questions right whose answer is A: the recalls of the gold
positions lie apart (RStd). How often each is chosen hides that where the gold positions are uneven.
The trap: with few questions they lie apart by luck too, and noise only raises RStd. Its interval
is therefore the basic bootstrap one, bounded at 0.
"""

import numpy as np

from mcqa.evaluation.answers import Answers
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.quality import confusion
from mcqa.evaluation.resampling import bootstrap, divide, interval, observed


def describe_positions(answers: Answers, *, seed: int = 0, resamples: int = 1000) -> dict:
    """Return the recall of every gold position, their spread, and how often each is chosen.

    Returns:
        The `positions` of `metrics.json`: `n`; `positions`, for each how often it is `gold` and
        `chosen`, and its `recall`, None where it is never gold; `rstd`, the standard deviation of
        the recalls; `unparsed`; `seed`; `resamples`.

    Source:
        Zheng et al. (2024), Large language models are not robust multiple choice selectors,
        arXiv 2309.03882.
    """
    n = len(answers)
    table = confusion(answers.labels, answers.choices)
    chosen_P = np.sum(table["counts"], axis=0).tolist()
    gold_P = (np.sum(table["counts"], axis=1) + table["unparsed"]).tolist()
    positions = []
    for position, gold, chosen in zip(table["positions"], gold_P, chosen_P, strict=True):
        hits = table["counts"][position][position]
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
    gold_NP = answers.labels[:, None] == np.unique(answers.labels)
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
        "unparsed": sum(table["unparsed"]),
        "seed": seed,
        "resamples": resamples,
    }
