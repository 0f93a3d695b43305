"""What a report says, in the order in which it says it; a page only gives it a form."""

from collections.abc import Callable, Mapping, Sequence

from mcqa.evaluation import numbers
from mcqa.evaluation.clustered import few_groups
from mcqa.evaluation.groups import macro_accuracy
from mcqa.kinds import KINDS
from mcqa.report.blocks import Details, Plot, Section, Table, Text
from mcqa.report.figures import FEWEST
from mcqa.report.kinds import plot_name, runs_by_kind
from mcqa.report.metrics import calibration_blocks, metric_blocks
from mcqa.report.orders import order_sections
from mcqa.report.pairs import FULL, pair_sections
from mcqa.report.parts import confusion_blocks, option_count_blocks, settings

OVER_SUBJECTS = "Mean over"
PLOTS = {
    "subjects": (
        "Accuracy per subject",
        "Accuracy of each run per subject, with intervals",
        "The number of questions is in brackets. Subjects of fewer than "
        f"{FEWEST} questions are taken together where others have more. Among many subjects one "
        "looks good or bad by luck: an interval says nothing about how a subject differs from the "
        "others.",
    ),
    "reliability": (
        "Is a run as sure as it is right?",
        "Reliability: the share of right answers over the mean confidence, per bin",
        "Answers are put into 15 bins by their confidence, the probability of the chosen option. "
        "On the dashed line a run is right as often as it claims; below it, it claims too much. "
        "Where a temperature is known, the panel that names it shows what it changes.",
    ),
    "risk-coverage": (
        "What if it answered only where it is sure?",
        "Risk and coverage: the share of wrong answers among the most confident ones",
        "A curve that rises to the right knows where it is wrong: the answers it is surest of "
        "are better than the rest. Its end is the share of wrong answers among all.",
    ),
    "positions": (
        "Does the position matter?",
        "Recall of each gold position and how often each position is chosen",
        "Above: how many of the questions whose answer stands there are answered right. A run "
        "without a preference has about the same there for all positions.",
    ),
    "cost": (
        "Accuracy and cost",
        "Accuracy over questions per second and over the memory that scoring took",
        "Measured while scoring, on the hardware under Details. Memory is the most in use at once: "
        "on a GPU what was allocated there, else all that the process held, libraries and what "
        "earlier models left behind included. What else a run costs is in the first table.",
    ),
}
OF_SETS = {
    "reliability": (
        "Are options right as often as it says?",
        "Reliability: the share of right options over their mean probability, per bin",
        "The options of all questions are put into 15 bins by the probability that they are right. "
        "On the dashed line an option is right as often as the run claims. Where a temperature is "
        "known, the panel that names it shows what it changes.",
    ),
}
"""Plots that say something else where any number of options may be right."""
OF_RUNS = (
    " Comparisons are of these very runs: intervals are for new questions, not for new seeds, by "
    "which accuracies may move by points. `mcqa study` asks about formulations."
)
ALL_RIGHT = " An answer is right if it is exactly the right set."


def report_sections(
    runs: list[dict],
    comparisons: list[dict],
    examples: Sequence[dict],
    plots: Sequence[str],
    details: Mapping[str, str],
) -> list[Section]:
    """Return the sections of what `write_report` is given; `plots` are the names of the plots.

    Each kind of question has its own, and nothing is averaged over kinds.
    """
    kinds = runs_by_kind(runs)
    sections = [Section("", _first_screen(runs, kinds, comparisons, plots))]
    for kind, own in kinds.items():
        at = [place for place, found in enumerate(comparisons) if found.get("kind", "") == kind]
        shown = [examples[place] for place in at] if examples else ()
        of_kind = _sections(kind, own, [comparisons[place] for place in at], shown, plots)
        sections += [s._replace(heading=_said(kind, s.heading)) for s in of_kind if s.blocks]
    sections += [Section("How the runs were trained", blocks)] if (blocks := settings(runs)) else []
    sections += [Section("Details", [Details(details)])] if details else []
    return sections


def _sections(
    kind: str,
    runs: list[dict],
    comparisons: list[dict],
    examples: Sequence[dict],
    plots: Sequence[str],
) -> list[Section]:
    """Return what there is to say about one kind of question beyond the first screen."""
    sections, sets = [], bool(kind) and KINDS[kind].several
    for name, told in (PLOTS | (OF_SETS if sets else {})).items():
        if (plot := plot_name(kind, name)) in plots:
            heading, description, note = told
            sections.append(Section(heading, [Plot(plot, description), Text(note)]))
    return [
        *sections,
        Section("Further metrics", metric_blocks(runs, kind)),
        Section("By the number of options", option_count_blocks(runs)),
        Section("Which position is chosen for which", confusion_blocks(runs)),
        Section("Calibration by a temperature", calibration_blocks(runs)),
        *order_sections(runs),
        *pair_sections(comparisons, examples),
    ]


def _said(kind: str, text: str) -> str:
    return f"{kind}: {text}" if kind else text


def _first_screen(
    runs: list[dict],
    kinds: Mapping[str, list[dict]],
    comparisons: list[dict],
    plots: Sequence[str],
) -> list[Text | Plot | Table]:
    told = [c for c in comparisons if c.get("primary")] if len(comparisons) > FULL else comparisons
    findings = [_said(c.get("kind", ""), _primary(c) + c["verdict"]) for c in told or comparisons]
    findings = findings or [
        _said(kind, _finding(run)) for kind, own in kinds.items() for run in own
    ]
    style = "finding" if len(findings) == 1 else "finding several"
    blocks = [Text(finding, style) for finding in findings]
    for kind in kinds:
        if (plot := plot_name(kind, "accuracy")) in plots:
            described = (
                "Accuracy of each run with its 95% interval; the numbers are in the table below"
            )
            blocks.append(Plot(plot, _said(kind, described)))
    columns, rows = ["Run", *(run["name"] for run in runs)], _rows(runs, kinds)
    blocks.append(Table(columns, rows, style="runs"))
    note = f"A dash: not measured, or nothing was trained. {_intervals(kinds)}"
    if any(row[0].startswith(OVER_SUBJECTS) for row in rows):
        note += " Over subjects: each subject counts alike, however many questions it has."
    if any(kind and KINDS[kind].several for kind in kinds):
        note += ALL_RIGHT
    if comparisons:
        note += OF_RUNS
    return [*blocks, Text(note)]


def _primary(comparison: dict) -> str:
    return "Primary comparison: " if comparison.get("primary") else ""


def _intervals(kinds: Mapping[str, list[dict]]) -> str:
    """Say what the intervals of accuracy take as independent."""
    described = [run["metrics"] for own in kinds.values() for run in own]
    groups = [metrics["clusters"] for metrics in described if "clusters" in metrics]
    if not groups:
        return "Accuracy intervals are Wilson's."
    text = (
        "Accuracy intervals are Wilson's, over groups of questions about the same thing, each of "
        "which counts as one piece of evidence, as all intervals of this page do."
    )
    return f"{text} {few_groups(min(groups))}".rstrip()


def _finding(run: dict) -> str:
    """Say how many questions a run gets right, where there is nothing to compare."""
    if run["metrics"]["n"]:
        return f"{run['name']} answers {_accuracy(run)} of {run['metrics']['n']} questions right."
    return f"{run['name']} answered no labelled question, so its accuracy is not known."


def _rows(runs: list[dict], kinds: Mapping[str, list[dict]]) -> list[list[str]]:
    """Return the table: a heading and one cell per run, for each thing there is to tell."""
    accuracies = []
    for kind, own in kinds.items():
        of_kind = f"{kind}, " if kind else ""
        n = of_kind and f"n = {own[0]['metrics']['n']:,}, "
        heading = f"Accuracy ({of_kind}{n}95% interval)"
        accuracies.append([heading, *map(_accuracy, own)])
        macro = [macro_accuracy(run["metrics"].get("per_subject", {})) for run in own]
        if any(macro):
            heading = f"{OVER_SUBJECTS} {macro[0]['n']} subjects{of_kind and f' ({kind})'}"
            accuracies.append([heading, *map(numbers.format_share, macro)])
    accuracies += _trained_on(kinds)
    rows = [
        ("Questions per second", _of("metrics", "questions_per_second", numbers.format_rate)),
        ("Memory while scoring", _of("metrics", "peak_memory_bytes", numbers.format_bytes)),
        ("Trainable parameters", _of("cost", "trainable_parameters", numbers.format_count)),
        ("Training time", _of("cost", "training_seconds", numbers.format_seconds)),
        ("Memory while training", _of("cost", "training_memory_bytes", numbers.format_bytes)),
        ("Adapter size", _of("cost", "adapter_bytes", numbers.format_bytes)),
        ("Scorer", lambda run: run["scorer"]),
        ("Template", lambda run: run["template"]),
        ("Questions", _of("metrics", "n", numbers.format_count)),
    ]
    counts = {
        "Answers not parsed": "unparsed",
        "of these, ambiguous": "ambiguous",
        "Without label": "unlabelled",
        "Cut to fit": "truncated",
        "Right option tied with another": "tied_gold",
    }
    for heading, key in counts.items():
        if any(run["metrics"].get(key) for run in runs):
            rows.append((heading, _of("metrics", key, numbers.format_count)))
    return accuracies + [[heading, *map(cell, runs)] for heading, cell in rows]


def _trained_on(kinds: Mapping[str, list[dict]]) -> list[list[str]]:
    """Return rows on the evaluated questions that a run was trained on, where there are any."""
    rows = []
    for kind, own in kinds.items():
        found = [run["metrics"].get("trained_on") for run in own]
        if not any(known and known["exact"] + known["near"] for known in found):
            continue
        counts = [
            known and f"{known['exact']:,} exactly, {known['near']:,} nearly" for known in found
        ]
        without = [numbers.format_share(known and known["without"]) for known in found]
        of_kind = f" ({kind})" * bool(kind)
        rows.append([f"Of these trained on{of_kind}", *(c or numbers.UNKNOWN for c in counts)])
        rows.append([f"Accuracy without them{of_kind}", *without])
    return rows


def _of(part: str, key: str, format: Callable) -> Callable[[dict], str]:
    """Return the function that formats one number of a run, a dash where its part is None."""
    return lambda run: format((run[part] or {}).get(key))


def _accuracy(run: dict) -> str:
    metrics = run["metrics"]
    return numbers.format_accuracy(metrics["accuracy"], metrics["accuracy_ci95"])
