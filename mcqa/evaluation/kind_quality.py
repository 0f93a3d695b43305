"""What only some kinds of questions are measured by, and sets with all: values, and statistics.

A metric that is a mean over questions is a function from answers to one value a question, NaN where
it is not known; any other is a `Statistic`. `mcqa.evaluation.table` says which kind has which.
"""

from collections.abc import Callable

import numpy as np

from mcqa.evaluation import of_kinds
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.confidence import auroc, ties
from mcqa.evaluation.resampling import Statistic, divide
from mcqa.evaluation.sets import AnyAnswers, SetAnswers, per_option, softplus
from mcqa.evaluation.table import PRECISION, metrics_of

YES = 0  # of a yes-or-no question's options


def own_question_values(answers: AnyAnswers) -> dict[str, np.ndarray]:
    """Return the values of a kind's own metrics, of soft labels' and, of sets, of all metrics."""
    if not answers.scored.any():
        return {"jaccard": _jaccard(answers)} if isinstance(answers, SetAnswers) else {}
    table = metrics_of(answers.kind, targets=answers.targets is not None)
    found = _VALUES | (_SET_VALUES if isinstance(answers, SetAnswers) else {})
    return {name: value(answers) for name, value in found.items() if name in table}


def own_statistics(answers: AnyAnswers) -> list[Statistic]:
    """Return the statistics of a kind's own metrics."""
    table, scored = metrics_of(answers.kind), answers.scored.any()
    found = [of for name, of in _STATISTICS.items() if name in table]
    if scored:
        found += [of for name, of in _SCORED_STATISTICS.items() if name in table]
    return [statistic(answers) for statistic in found]


def yes_at_precision(answers: Answers) -> dict | None:
    """Return the threshold of yes that `PRECISION` takes, and precision and recall there."""
    known = answers.take(answers.scored)
    is_yes_N = known.labels == YES
    if not is_yes_N.any():
        return None
    return of_kinds.threshold_at_precision(is_yes_N, known.probabilities[:, YES], PRECISION)


def describe_options(answers: SetAnswers) -> list[dict]:
    """Return for each place among the options how often it is right and chosen, and its F1."""
    f1 = of_kinds.f1_by_option(answers.labels, answers.choices)
    counts = answers.labels.sum(0).tolist(), answers.choices.sum(0).tolist()
    return [
        {"position": place, "gold": gold, "chosen": chosen, "f1": f1[place]}
        for place, (gold, chosen) in enumerate(zip(*counts, strict=True))
    ]


def _jaccard(answers: SetAnswers) -> np.ndarray:
    return np.where(answers.parsed, of_kinds.jaccard(answers.labels, answers.choices), 0.0)


def _hamming(answers: SetAnswers) -> np.ndarray:
    wrong_NO = (answers.labels != answers.choices).astype(float)
    return per_option(np.where(np.isnan(answers.log_odds), np.nan, wrong_NO))


def _binary_nll(answers: SetAnswers) -> np.ndarray:
    return per_option(_option_nll(answers.truth, answers.log_odds))


def _option_nll(target_NO: np.ndarray, log_odds_NO: np.ndarray) -> np.ndarray:
    return softplus(log_odds_NO) - target_NO * log_odds_NO


def _binary_brier(answers: SetAnswers) -> np.ndarray:
    return per_option((answers.probabilities - answers.truth) ** 2)


def _median_error(answers: Answers) -> np.ndarray:
    reached_NO = np.nancumsum(answers.probabilities, axis=1) >= 0.5 - 1e-12
    return _levels_off(answers, np.argmax(reached_NO, axis=1))


def _expected_error(answers: Answers) -> np.ndarray:
    levels = np.arange(answers.log_probabilities.shape[1])
    return _levels_off(answers, np.nansum(answers.probabilities * levels, axis=1))


def _levels_off(answers: Answers, level_N: np.ndarray) -> np.ndarray:
    return np.where(answers.scored, of_kinds.level_error(answers.labels, level_N), np.nan)


def _soft_nll(answers: AnyAnswers) -> np.ndarray:
    if isinstance(answers, SetAnswers):
        return per_option(_option_nll(answers.targets, answers.log_odds))
    return _with_targets(answers, of_kinds.soft_nll(answers.targets, answers.log_probabilities))


def _total_variation(answers: AnyAnswers) -> np.ndarray:
    if isinstance(answers, SetAnswers):
        return per_option(np.abs(answers.targets - answers.probabilities))
    return _with_targets(answers, of_kinds.total_variation(answers.targets, answers.probabilities))


def _with_targets(answers: Answers, value_N: np.ndarray) -> np.ndarray:
    return np.where(answers.scored & ~np.isnan(answers.targets[:, 0]), value_N, np.nan)


def _f1_micro(answers: SetAnswers) -> Statistic:
    counts_N3 = _counts(answers).sum(2).T

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        hits_R, gold_R, chosen_R = (weight_RN @ counts_N3).T
        f1_R = divide(2 * hits_R, gold_R + chosen_R)
        return {"f1_micro": np.where(np.isnan(f1_R), 1.0, f1_R)}  # nothing is right or chosen

    return statistic


def _f1_macro(answers: SetAnswers) -> Statistic:
    """The mean over the places at which an option is right or chosen."""
    counts_NK = np.hstack(_counts(answers))

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        hits_RO, gold_RO, chosen_RO = np.hsplit(weight_RN @ counts_NK, 3)
        f1_RO = divide(2 * hits_RO, gold_RO + chosen_RO)
        occurs_R = (~np.isnan(f1_RO)).sum(1).astype(float)
        return {"f1_macro": divide(np.nansum(f1_RO, axis=1), occurs_R)}

    return statistic


def _counts(answers: SetAnswers) -> np.ndarray:
    """Return (3, N, O) whether an option is right and chosen, right, chosen."""
    labels, choices = answers.labels, answers.choices
    return np.stack([labels & choices, labels, choices]).astype(float)


def _quadratic_kappa(answers: Answers) -> Statistic:
    """Cohen's kappa with quadratic weights, of the answers that were read.

    The squared distance to expect by chance is that of a label and a choice drawn independently.
    """
    label_N, choice_N = answers.labels.astype(float), answers.choices.astype(float)
    columns = [np.ones(len(answers)), label_N, choice_N, label_N**2, choice_N**2]
    column_NK = np.column_stack([*columns, (label_N - choice_N) ** 2])
    column_NK[~answers.parsed] = 0.0

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        n_R, label_R, choice_R, labels_R, choices_R, apart_R = (weight_RN @ column_NK).T
        by_chance_R = labels_R + choices_R - 2 * divide(label_R * choice_R, n_R)
        by_chance_R[by_chance_R < 1e-9 * n_R] = 0  # one level alone, and rounding
        return {"quadratic_kappa": 1 - divide(apart_R, by_chance_R)}

    return statistic


def _yes(answers: Answers) -> Statistic:
    """How well the probability of yes tells a yes from a no."""
    yes_N, is_yes_N = answers.probabilities[:, YES], answers.labels == YES
    place_N, last_T = ties(yes_N)

    def statistic(weight_RN: np.ndarray) -> dict[str, np.ndarray]:
        weight_RN = weight_RN[:, place_N]
        called_RT = np.cumsum(weight_RN, axis=1)[:, last_T]
        right_RT = np.cumsum(weight_RN * is_yes_N[place_N], axis=1)[:, last_T]
        recall_RT = divide(right_RT, np.broadcast_to(right_RT[:, -1:], right_RT.shape))
        precise_RT = right_RT >= PRECISION * called_RT * (1 - 1e-9)
        best_R = np.where(precise_RT & (called_RT > 0), recall_RT, 0.0).max(1)
        undefined_R = right_RT[:, -1] == 0
        return {
            "auroc_yes": auroc(called_RT, right_RT),
            "yes_recall": np.where(undefined_R, np.nan, best_R),
        }

    return statistic


_VALUES: dict[str, Callable[[AnyAnswers], np.ndarray]] = {
    "mae_median": _median_error,
    "mae_expected": _expected_error,
    "soft_nll": _soft_nll,
    "total_variation": _total_variation,
}
_SET_VALUES: dict[str, Callable[[SetAnswers], np.ndarray]] = {
    "jaccard": _jaccard,
    "hamming": _hamming,
    "nll": _binary_nll,
    "brier": _binary_brier,
}
_STATISTICS: dict[str, Callable[[AnyAnswers], Statistic]] = {
    "f1_micro": _f1_micro,
    "f1_macro": _f1_macro,
    "quadratic_kappa": _quadratic_kappa,
}
_SCORED_STATISTICS: dict[str, Callable[[Answers], Statistic]] = {"auroc_yes": _yes}
