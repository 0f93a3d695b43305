"""Two runs side by side: where they differ, how sure that is, and what they know together."""

from collections.abc import Sequence

from mcqa.evaluation import numbers
from mcqa.evaluation.table import METRICS
from mcqa.report.blocks import Examples, Section, Table, Text
from mcqa.report.further import format_metric


def pair_sections(comparisons: list[dict], examples: Sequence[dict]) -> list[Section]:
    """Return a section on all comparisons, and one per pair that was described further.

    Args:
        comparisons: what `compare_many` or `mcqa.evaluating.analysis.compare_runs` returns.
        examples: for each of them the questions that only one run gets right, `a_only` and
            `b_only`; or nothing at all.
    """
    if not comparisons:
        return []
    counts = map(_counts, comparisons)
    blocks = [*counts, *_joint(comparisons), _how(comparisons)]
    sections = [Section("Where the runs differ", blocks)]
    for place, comparison in enumerate(comparisons):
        if "paired" in comparison:
            blocks = [*_differences(comparison), *_together(comparison)]
            if examples:
                blocks += _examples(comparison, examples[place], shown=place == 0)
            sections.append(Section(f"{_names(comparison)}, metric by metric", blocks))
    return sections


def _names(comparison: dict) -> str:
    return f"{comparison['a']['name']} and {comparison['b']['name']}"


def _counts(comparison: dict) -> Table:
    """Return the 2x2 table: how many questions both, one or none of the runs get right."""
    name_a, name_b = comparison["a"]["name"], comparison["b"]["name"]
    n, counts = comparison["n"], comparison["mcnemar"]
    both_right = round(comparison["a"]["accuracy"] * n) - counts["a_only"]
    neither = n - both_right - counts["a_only"] - counts["b_only"]
    return Table(
        ["", f"{name_b} right", f"{name_b} wrong"],
        [
            [f"{name_a} right", str(both_right), str(counts["a_only"])],
            [f"{name_a} wrong", str(counts["b_only"]), str(neither)],
        ],
        caption=f"{_names(comparison)}: {n} questions",
        style="pair",
    )


def _joint(comparisons: list[dict]) -> list[Text]:
    """Say whether the runs differ at all, where there are more than two."""
    joint = comparisons[0].get("joint")
    if not joint:
        return []
    p = numbers.format_p_value(joint["p_value"], "= ")
    text = (
        f"Do the {len(joint['runs'])} runs differ in accuracy at all? Cochran's "
        f"Q = {joint['q']:.2f} with {joint['degrees_of_freedom']} degrees of freedom, "
        f"p {p}. It takes the questions as independent."
    )
    return [Text(text, "plain")]


def _how(comparisons: list[dict]) -> Text:
    first = comparisons[0]
    over, test = "questions", "the exact two-sided McNemar test"
    if first.get("clusters"):
        over = "groups of questions about the same thing"
        test = "a permutation test that flips whole groups"
    corrected = ""
    if len(comparisons) > 1:
        corrected = f", corrected for {len(comparisons)} comparisons by Holm's method"
    return Text(
        f"The interval of a difference is a paired percentile bootstrap over {over} "
        f"({first['resamples']:,} resamples, seed {first['seed']}). A difference counts as shown "
        f"where that interval leaves zero out and {test} gives p below 0.05{corrected}."
    )


def _differences(comparison: dict) -> list[Table | Text]:
    """Return the table of every metric's difference, and what else is known of the pair."""
    paired = comparison["paired"]
    name_a, name_b = comparison["a"]["name"], comparison["b"]["name"]
    rows = [
        [
            metric.title,
            *(format_metric(metric, found[side]) for side in "ab"),
            numbers.format_difference(found["difference"], found["ci95"], share=metric.share),
            numbers.format_p_value(found.get("p_value")),
        ]
        for metric, found in ((METRICS[name], found) for name, found in paired["metrics"].items())
        if found["difference"] is not None
    ]
    columns = ["Metric", name_a, name_b, f"Difference ({name_b} minus {name_a})", "p"]
    note = (
        f"Differences of shares are in points. 95% intervals of a paired bootstrap "
        f"({paired['resamples']:,} resamples for means over questions, "
        f"{paired['other_resamples']:,} for the others), p of a paired permutation test "
        f"({paired['permutations']:,} permutations), for accuracy of the test above, before "
        "correction. With so many metrics, one in twenty looks different by luck."
    )
    return [Table(columns, rows, style="differences"), Text(note), _agreement(paired)]


def _agreement(paired: dict) -> Text:
    agreement, least = paired["agreement"], paired["minimum_detectable_difference"]
    share = numbers.format_accuracy(agreement["share"], agreement["share_ci95"])
    kappa = numbers.format_value(agreement["kappa"], agreement["kappa_ci95"])
    text = f"Both choose the same option for {share} of the questions; Cohen's kappa is {kappa}. "
    if least is None:
        return Text(f"{text}They disagree on too few for any difference to be found.", "plain")
    text += (
        f"With {paired['n']:,} questions and this much disagreement, a difference of "
        f"{100 * least:.1f} points would be found four times in five; a smaller one may be missed."
    )
    grouped = " With questions in groups it takes a larger one." if paired["clusters"] else ""
    return Text(text + grouped, "plain")


def _together(comparison: dict) -> list[Text]:
    together = comparison["together"]
    text = (
        "Together: at least one of the two is right for "
        f"{numbers.format_share(together['either'])}, the ceiling of any combination"
    )
    if not together["average"]:
        return [Text(f"{text}.", "plain")]
    average = numbers.format_share(together["average"])
    text += f"; the average of their probabilities is right for {average}."
    return [Text(text, "plain"), _stacked(comparison)]


def _stacked(comparison: dict) -> Text:
    """Tell of the combination that was fitted on validation questions, or how to get one."""
    stacked = comparison["together"].get("stacked")
    if not stacked:
        return Text(
            "A stacked combination is not known: the two did not answer the same validation "
            "questions. Give --validation-data."
        )
    weights = " and ".join(
        f"{stacked[f'weight_{side}']:.2f} ({comparison[side]['name']})" for side in "ab"
    )
    return Text(
        f"Stacked, their log-probabilities weighted by {weights} as fitted on "
        f"{stacked['n_validation']:,} validation questions, they are right for "
        f"{numbers.format_share(stacked)}. Against the better of "
        f"the two on these questions: {stacked['against_better']['verdict']}",
        "plain",
    )


def _examples(comparison: dict, examples: dict, *, shown: bool) -> list[Examples]:
    counts = comparison["mcnemar"]
    return [
        Examples(
            f"Only {comparison[side]['name']} is right: {len(examples[key])} of {counts[key]}",
            examples[key],
            shown,
        )
        for side, key in (("a", "a_only"), ("b", "b_only"))
        if examples[key]
    ]
