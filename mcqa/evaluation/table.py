"""The table of metrics: what each is called, which way is better, what interval goes with it."""

from dataclasses import dataclass
from typing import Literal

COVERAGES = (50, 80, 90)  # the percentages of questions answered at which accuracy is given


@dataclass(frozen=True)
class Metric:
    """Say what is to be known of a metric beside its value.

    Args:
        heading, short: what tables call it, and a line of text, if not by its heading.
        interval: the 95% interval of one run. `wilson`: of a share of questions, which people read
            in percent. `percentile`: the bootstrap's. `basic`: the bootstrap's for a metric that
            noise raises (see `mcqa.evaluation.resampling.interval`), also of a difference.
        needs_scores: whether generated answers, which have no probabilities, lack it.
    """

    name: str
    heading: str
    interval: Literal["wilson", "percentile", "basic"] = "percentile"
    short: str = ""
    lower_is_better: bool = False
    needs_scores: bool = True

    @property
    def share(self) -> bool:
        """Whether it is a share of questions."""
        return self.interval == "wilson"

    @property
    def title(self) -> str:
        """The heading, with an arrow down where lower is better."""
        return f"{self.heading} ↓" if self.lower_is_better else self.heading


_TABLE = (
    Metric("accuracy", "Accuracy", "wilson", needs_scores=False),
    Metric("macro_f1", "Macro-F1 over positions", needs_scores=False),
    Metric("top2", "Right option among the two likeliest", "wilson"),
    Metric("mrr", "Mean reciprocal rank (MRR)"),
    Metric("map3", "MAP@3"),
    Metric("nll", "Negative log-likelihood, nats", short="NLL", lower_is_better=True),
    Metric("brier", "Brier score", lower_is_better=True),
    Metric("ece", "Calibration error (ECE)", "basic", lower_is_better=True),
    Metric("ece_equal_mass", "The same, bins of equal size", "basic", lower_is_better=True),
    Metric("auroc", "AUROC of confidence", short="AUROC"),
    Metric("aurc", "Area under risk-coverage (AURC)", lower_is_better=True),
    *(Metric(f"accuracy_at_{x}", f"Accuracy, surest {x}%", "wilson") for x in COVERAGES),
)
METRICS = {metric.name: metric for metric in _TABLE}
"""All metrics of a run by name, in the order to show them."""

_SPREAD = "Spread of the positions' recalls (RStd)"
RSTD = Metric("rstd", _SPREAD, "basic", lower_is_better=True, needs_scores=False)
"""The one metric that is described apart from the others: see `mcqa.evaluation.bias`."""
