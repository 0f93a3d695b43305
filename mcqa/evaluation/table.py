"""The table of metrics: what each is called, which way is better, what interval goes with it."""

from dataclasses import dataclass
from typing import Literal

from mcqa.kinds import KINDS

COVERAGES = (50, 80, 90)  # the percentages of questions answered at which accuracy is given
PRECISION = 0.9  # of the answers called yes, at which their recall is given


@dataclass(frozen=True)
class Metric:
    """Say what is to be known of a metric beside its value.

    Args:
        heading, short: what tables call it, and a line of text, if not by its heading.
        interval: the 95% interval of one run. `wilson`: of a share of questions, which people read
            in percent. `percentile`: the bootstrap's. `basic`: the bootstrap's for a metric that
            noise raises (see `mcqa.evaluation.resampling.interval`), also of a difference.
        needs_scores: whether generated answers, which have no probabilities, lack it.
        kinds: the kinds of questions that have it.
        needs_targets: whether only questions with soft labels have it.
        lowest: what it cannot fall below.
    """

    name: str
    heading: str
    interval: Literal["wilson", "percentile", "basic"] = "percentile"
    short: str = ""
    lower_is_better: bool = False
    needs_scores: bool = True
    kinds: tuple[str, ...] = tuple(KINDS)
    needs_targets: bool = False
    lowest: float = 0.0

    @property
    def share(self) -> bool:
        """Whether it is a share of questions."""
        return self.interval == "wilson"

    @property
    def title(self) -> str:
        """The heading, with an arrow down where lower is better."""
        return f"{self.heading} ↓" if self.lower_is_better else self.heading


_CHOICE, _YES_NO, _SCALE, _SEVERAL = (("choice",), ("yes_no",), ("scale",), ("several",))
_TABLE = (
    Metric("accuracy", "Accuracy", "wilson", needs_scores=False),
    Metric(
        "macro_f1",
        "Macro-F1 over positions",
        needs_scores=False,
        kinds=_CHOICE + _YES_NO + _SCALE,
    ),
    Metric("jaccard", "Jaccard index", needs_scores=False, kinds=_SEVERAL),
    Metric("f1_micro", "F1 over all options", needs_scores=False, kinds=_SEVERAL),
    Metric("f1_macro", "F1, mean over positions", needs_scores=False, kinds=_SEVERAL),
    Metric("hamming", "Hamming loss", lower_is_better=True, kinds=_SEVERAL),
    Metric("quadratic_kappa", "Quadratic kappa", needs_scores=False, kinds=_SCALE, lowest=-1.0),
    Metric("mae_median", "Levels off, of the median", lower_is_better=True, kinds=_SCALE),
    Metric("mae_expected", "Levels off, of the expected", lower_is_better=True, kinds=_SCALE),
    Metric("auroc_yes", "AUROC of yes", kinds=_YES_NO),
    Metric("yes_recall", f"Recall of yes at {PRECISION:.0%} precision", kinds=_YES_NO),
    Metric("top2", "Right option among the two likeliest", "wilson", kinds=_CHOICE),
    Metric("mrr", "Mean reciprocal rank (MRR)", kinds=_CHOICE),
    Metric("map3", "MAP@3", kinds=_CHOICE),
    Metric("nll", "Negative log-likelihood, nats", short="NLL", lower_is_better=True),
    Metric("brier", "Brier score", lower_is_better=True),
    Metric("ece", "Calibration error (ECE)", "basic", lower_is_better=True),
    Metric("ece_equal_mass", "The same, bins of equal size", "basic", lower_is_better=True),
    Metric("auroc", "AUROC of confidence", short="AUROC"),
    Metric("aurc", "Area under risk-coverage (AURC)", lower_is_better=True),
    *(Metric(f"accuracy_at_{x}", f"Accuracy, surest {x}%", "wilson") for x in COVERAGES),
    Metric(
        "soft_nll",
        "Cross-entropy with the targets, nats",
        lower_is_better=True,
        needs_targets=True,
    ),
    Metric(
        "total_variation",
        "Total variation from the targets",
        lower_is_better=True,
        needs_targets=True,
    ),
)
METRICS = {metric.name: metric for metric in _TABLE}
"""All metrics of a run by name, in the order to show them."""


def metrics_of(kind: str, *, targets: bool = False) -> dict[str, Metric]:
    """Return the metrics of one kind of question, with those of soft labels where there are any."""
    return {
        name: metric
        for name, metric in METRICS.items()
        if kind in metric.kinds and (targets or not metric.needs_targets)
    }


def own_metrics(kind: str) -> list[Metric]:
    """Return the metrics that no other kind of question has."""
    return [metric for metric in METRICS.values() if metric.kinds == (kind,)]


_SPREAD = "Spread of the positions' recalls (RStd)"
RSTD = Metric("rstd", _SPREAD, "basic", lower_is_better=True, needs_scores=False, kinds=_CHOICE)
"""The one metric that is described apart from the others: see `mcqa.evaluation.bias`."""
