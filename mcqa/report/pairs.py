"""Two runs side by side: where they differ, how sure that is, and what they know together."""

from collections.abc import Sequence

from mcqa.evaluation import numbers
from mcqa.evaluation.comparison import deciding_p_value
from mcqa.evaluation.table import METRICS
from mcqa.report.blocks import Examples, Section, Table, Text
from mcqa.report.metrics import format_metric

FULL = 3  # comparisons, up to which each has a section of its own


def pair_sections(comparisons: list[dict], examples: Sequence[dict]) -> list[Section]:
    """Return a section on all comparisons, and one per pair that was described further.

    Of more than `FULL` comparisons only the first, the primary one, has a section.
    """
    if not comparisons:
        return []
    few = len(comparisons) <= FULL
    shown = comparisons if few else comparisons[:1]
    blocks = [*map(_counts, shown), *([] if few else [_all(comparisons)]), *_tests(comparisons)]
    sections = [Section("Where the runs differ", blocks)]
    for place, comparison in enumerate(shown):
        if "paired" in comparison:
            blocks = [*_differences(comparison), *_together(comparison)]
            if examples:
                blocks += _examples(comparison, examples[place], shown=place == 0)
            heading = "{} and {}, metric by metric".format(*_names(comparison))
            sections.append(Section(heading, blocks))
    return sections


def _all(comparisons: list[dict]) -> Table:
    """Return a row per comparison, where there are too many for a section each."""
    rows = []
    for comparison in comparisons:
        a, b = _names(comparison)
        gain = comparison["difference"], comparison["difference_ci95"]
        corrected = comparison.get("holm", {}).get("p_value")
        p_values = [deciding_p_value(comparison), corrected]
        difference = numbers.format_difference(*gain)
        rows.append([f"{b} minus {a}", difference, *map(numbers.format_p_value, p_values)])
    return Table(["Comparison", "Points", "p", "p (Holm)"], rows, style="differences")


def _names(comparison: dict) -> tuple[str, str]:
    return comparison["a"]["name"], comparison["b"]["name"]


def _counts(comparison: dict) -> Table:
    """Return the 2x2 table: how many questions both, one or none of the runs get right."""
    a, b = _names(comparison)
    n, counts = comparison["n"], comparison["mcnemar"]
    both_right = round(comparison["a"]["accuracy"] * n) - counts["a_only"]
    neither = n - both_right - counts["a_only"] - counts["b_only"]
    rows = [
        [f"{a} right", str(both_right), str(counts["a_only"])],
        [f"{a} wrong", str(counts["b_only"]), str(neither)],
    ]
    columns = ["", f"{b} right", f"{b} wrong"]
    return Table(columns, rows, caption=f"{a} and {b}: {n} questions", style="pair")


def _tests(comparisons: list[dict]) -> list[Text]:
    """Say whether more than two runs differ at all, and when a difference counts as shown."""
    first, texts = comparisons[0], []
    if joint := first.get("joint"):
        text = (
            f"Do the {len(joint['runs'])} runs differ in accuracy at all? Cochran's "
            f"Q = {joint['q']:.2f} with {joint['degrees_of_freedom']} degrees of freedom, "
            f"p {numbers.format_p_value(joint['p_value'], '= ')}"
        )
        if "clusters" in joint:
            text += f", by permuting the runs within {joint['clusters']:,} groups of questions"
        text += "."
        texts.append(Text(text, "plain"))
    how = f"a paired percentile bootstrap ({first['resamples']:,} resamples, seed {first['seed']})"
    test, corrected = "the exact two-sided McNemar test", ""
    if first.get("clusters"):
        how = "that of Student's t over groups of questions about the same thing"
        test = "a permutation test that flips whole groups"
    if len(comparisons) > 1:
        named, others = " and ".join(_names(first)), len(comparisons) - 1
        corrected = (
            f". The primary comparison is the first by the order of the models, of {named}: it is "
            "tested at its own level and not corrected; "
        )
        corrected += (
            f"the other {others} are corrected for their number by Holm's method"
            if others > 1
            else "the other one is secondary, and alone in that"
        )
    text = (
        f"The interval of a difference is {how}. A difference counts as shown where "
        f"that interval leaves zero out and {test} gives p below 0.05{corrected}."
    )
    return [*texts, Text(text)]


def _differences(comparison: dict) -> list[Table | Text]:
    """Return the table of every metric's difference, and what else is known of the pair."""
    paired, (a, b) = comparison["paired"], _names(comparison)
    rows = []
    for name, found in paired["metrics"].items():
        if found["difference"] is not None:
            metric, gain = METRICS[name], (found["difference"], found["ci95"])
            sides = (format_metric(metric, {"value": found[side], "ci95": None}) for side in "ab")
            difference = numbers.format_difference(*gain, share=metric.share)
            p = numbers.format_p_value(found.get("p_value"))
            rows.append([metric.title, *sides, difference, p])
    columns = ["Metric", a, b, f"Difference ({b} minus {a})", "p"]
    means = f"({paired['resamples']:,} for means over questions, "
    if paired["clusters"]:
        means = "(of means over groups of questions Student's; "
    note = (
        f"Differences of shares are in points. 95% intervals of a paired bootstrap {means}"
        f"{paired['other_resamples']:,} resamples for the others), p of a paired permutation test "
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
    """Report the ceiling, the average and, where validation questions were answered, the stack."""
    together = comparison["together"]
    share = numbers.format_share(together["either"])
    text = f"Together: at least one of the two is right for {share}, the ceiling of any combination"
    if not together["average"]:
        return [Text(f"{text}.", "plain")]
    average = numbers.format_share(together["average"])
    first = Text(f"{text}; the average of their probabilities is right for {average}.", "plain")
    stacked = together.get("stacked")
    if not stacked:
        unknown = (
            "A stacked combination is not known: the two did not answer the same validation "
            "questions. Give --validation-data."
        )
        return [first, Text(unknown)]
    sides = zip("ab", _names(comparison), strict=True)
    weights = " and ".join(f"{stacked[f'weight_{side}']:.2f} ({name})" for side, name in sides)
    text = (
        f"Stacked, their log-probabilities weighted by {weights} as fitted on "
        f"{stacked['n_validation']:,} validation questions, they are right for "
        f"{numbers.format_share(stacked)}. Against the better of "
        f"the two on these questions: {stacked['against_better']['verdict']}"
    )
    return [first, Text(text, "plain")]


def _examples(comparison: dict, examples: dict, *, shown: bool) -> list[Examples]:
    blocks, unread = [], "no answer could be read"
    for key, name in zip(("a_only", "b_only"), _names(comparison), strict=True):
        heading = f"Only {name} is right: {len(examples[key])} of {comparison['mcnemar'][key]}"
        questions = [asked | {"chosen": asked["chosen"] or unread} for asked in examples[key]]
        if questions:
            blocks.append(Examples(heading, questions, shown))
    return blocks
