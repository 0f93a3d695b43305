"""The page of a study: which formulation, by how much, how sure, at what cost, and how far."""

from collections.abc import Mapping, Sequence
from math import sqrt

from mcqa.evaluation import numbers
from mcqa.report.blocks import Details, Plot, Section, Table, Text

CARRIES = (
    "This holds for the data sets, training sizes and base models named here, and says nothing of "
    "others. Intervals count training noise: they are for new seeds and new questions."
)


def _bytes(size: float | None) -> str:
    """Return a mean size, which need not be whole."""
    return numbers.format_bytes(None if size is None else round(size))


COSTS = {
    "training_seconds": ("Training time", numbers.format_seconds),
    "training_memory_bytes": ("Memory while training", _bytes),
    "scoring_seconds": ("Scoring time", numbers.format_seconds),
}


def study_sections(
    conditions: Sequence[Mapping],
    cells: Sequence[Mapping],
    curves: Mapping[str, str],
    crossings: Sequence[str],
    details: Mapping[str, str],
) -> list[Section]:
    """Return the sections of a study's page.

    Args:
        conditions: as `mcqa.study.inference.summarize_study` returns them, each with a `title` and
            the mean `costs` of a run by the arm's name.
        cells: of each its `name`, `accuracy`, `nll` and `cost`.
        curves: what each plot of learning curves is about, by the plot's name.
        crossings: sentences on where the curves cross.
        details: what the numbers depend on, label to text.
    """
    sections = [
        Section("", _first_screen(conditions)),
        Section("Learning curves", _curves(curves, crossings)),
        Section("Accuracy, loss and cost", _arms(conditions)),
        Section("Where the uncertainty comes from", _components(conditions)),
        Section("How many questions would show a difference?", _needed(conditions)),
        Section("All runs", [_cells(cells)]),
        Section("Details", [Details(details)] if details else []),
    ]
    return [section for section in sections if section.blocks]


def _first_screen(conditions: Sequence[Mapping]) -> list[Text]:
    blocks = []
    for condition in conditions:
        for pair in condition["differences"]:
            text = f"{condition['title']}: {pair['verdict']} {_cost_sentence(condition, pair)}"
            blocks.append(Text(text.strip(), "finding several"))
    if not blocks:
        blocks = [Text("One formulation only, so nothing is compared.", "finding")]
    return [*blocks, Text(CARRIES)]


def _cost_sentence(condition: Mapping, pair: Mapping) -> str:
    costs = {arm: condition["costs"][arm] for arm in (pair["a"], pair["b"])}
    told = [
        f"{arm} {numbers.format_seconds(cost['training_seconds'])} and "
        f"{_bytes(cost['training_memory_bytes'])}"
        for arm, cost in costs.items()
    ]
    return f"A training run took: {', '.join(told)}."


def _curves(curves: Mapping[str, str], crossings: Sequence[str]) -> list[Plot | Text]:
    blocks = []
    for name, about in curves.items():
        blocks.append(Plot(name, f"Learning curves, {about}: accuracy and NLL over training sizes"))
        blocks.append(Text(f"{about}. A dash is a run, the line its seeds' mean, with interval."))
    return blocks + [Text(sentence, "plain") for sentence in crossings]


def _arms(conditions: Sequence[Mapping]) -> list[Table | Text]:
    headings = ("Accuracy (95% interval)", "NLL in nats", "Seeds")
    columns = ["Arm", *headings, *(heading for heading, _ in COSTS.values())]
    tables = []
    for condition in conditions:
        rows = []
        for arm in condition["arms"]:
            nll, cost = arm["nll"] or {"value": None, "ci95": None}, condition["costs"][arm["name"]]
            rows.append(
                [
                    arm["name"],
                    numbers.format_share(arm["accuracy"]),
                    numbers.format_value(nll["value"], nll["ci95"]),
                    str(len(arm["seeds"])),
                    *(form(cost[name]) for name, (_, form) in COSTS.items()),
                ]
            )
        tables.append(Table(columns, rows, caption=condition["title"], style="differences"))
    after = {condition["after_temperature"] for condition in conditions}
    when = {
        (True,): "NLL is that after a temperature, fitted on each run's validation questions.",
        (False,): "NLL is that of the scores as they are, without a temperature.",
    }.get(tuple(after), "NLL is that after a temperature where all runs have validation questions.")
    return [*tables, Text(f"{when} Costs are means of a run.")]


def _compared(conditions: Sequence[Mapping]) -> list[tuple[str, dict, Mapping]]:
    """Return of each pair with an interval its name, itself and its difference in accuracy."""
    return [
        (f"{condition['title']}: {pair['a']} minus {pair['b']}", pair, pair["accuracy"])
        for condition in conditions
        for pair in condition["differences"]
        if "refused" not in pair["accuracy"]
    ]


def _components(conditions: Sequence[Mapping]) -> list[Table | Text]:
    rows = []
    for name, pair, found in _compared(conditions):
        of, nll = found["components"], pair["nll"]
        parts = (100 * sqrt(of[part]) for part in ("questions", "seeds", "interaction"))
        difference = numbers.format_difference(found["value"], found["ci95"])
        loss = "–"
        if nll:
            loss = numbers.format_difference(nll["value"], nll.get("ci95"), share=False)
        rows.append([name, difference, *(f"{part:.1f}" for part in parts), loss])
    if not rows:
        return []
    columns = ["Difference", "Points (95% interval)", "Questions", "Seeds", "Rest", "NLL, nats"]
    note = (
        "Questions, Seeds and Rest are standard deviations in points: of one question's "
        "difference, of the means of one seed each, and of what a seed does to one question, "
        "chance included. The first falls with more questions, the second only with more seeds."
    )
    return [Table(columns, rows, style="differences"), Text(note)]


def _needed(conditions: Sequence[Mapping]) -> list[Table | Text]:
    compared = _compared(conditions)
    if not compared:
        return []
    rows = []
    for name, pair, found in compared:
        counts = pair["questions_needed"].values()
        cells = (f"{count:,}" if count else "more seeds" for count in counts)
        rows.append([name, str(min(found["n_seeds"])), *cells])
    points = [f"{size} point(s)" for size in compared[0][1]["questions_needed"]]
    note = (
        "So many questions would show a true difference of this size four times in five, with as "
        'many seeds of each as here; "more seeds": no number of questions would. The components '
        "are estimates from few seeds, so these are rough."
    )
    return [Table(["Difference", "Seeds", *points], rows, style="differences"), Text(note)]


def _cells(cells: Sequence[Mapping]) -> Table:
    rows = [
        [
            cell["name"],
            numbers.format_accuracy(cell["accuracy"]),
            numbers.format_value(cell["nll"]),
            *(form(cell["cost"][name]) for name, (_, form) in COSTS.items()),
        ]
        for cell in cells
    ]
    return Table(["Run", "Accuracy", "NLL", *(name for name, _ in COSTS.values())], rows)
