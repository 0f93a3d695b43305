"""Do the answers depend on the order of the options? What a run says when asked in others."""

from collections.abc import Callable

from mcqa.evaluation import numbers
from mcqa.question import LETTERS
from mcqa.report.blocks import Section, Table, Text

HEADING = "Do the answers depend on the options' order?"
NOTE = (
    "A question flips if it is not answered the same in every order it was asked in. Consistency: "
    "the share of a question's orders that give its most frequent answer. Over all orders: the "
    "mean share of orders answered right; averaged: each option's probability is averaged over the "
    "orders first. For consistency and over all orders 95% intervals are a "
    "bootstrap's ({resamples:,} resamples, seed {seed}), else Wilson's."
)
PRIDE_NOTE = (
    "PriDe estimates how likely each letter is whatever it stands for, and divides that out. The "
    "questions it is estimated on are asked in all orders and take the average, all others are "
    "asked once. The difference has a paired bootstrap's interval and McNemar's exact p."
)
ROWS = {
    "Questions that flip": "flip_rate",
    "Consistency": "consistency",
    "Accuracy, original order": "accuracy",
    "Accuracy, over all orders": "accuracy_over_orders",
    "Accuracy, averaged over orders": "averaged_accuracy",
}


def order_sections(runs: list[dict]) -> list[Section]:
    """Return the section on orders, nothing where no run was asked in others than its own.

    Args:
        runs: as `write_report` takes them.
    """
    asked = [run for run in runs if "permutations" in run["metrics"]]
    if not asked:
        return []
    told = [order_sentence(run["name"], run["metrics"]["permutations"]) for run in asked]
    sentences = [Text(sentence, "plain") for sentence in told]
    debiased = [run for run in asked if "pride" in run["metrics"]["permutations"]]
    sentences += [Text(_pride_sentence(run), "plain") for run in debiased]
    table = Table(["", *(run["name"] for run in asked)], _rows(asked, pride=bool(debiased)))
    described = asked[0]["metrics"]["permutations"]
    note = NOTE.format(resamples=described["resamples"], seed=described["seed"])
    notes = Text(f"{note} {PRIDE_NOTE}" if debiased else note)
    return [Section(HEADING, [*sentences, table, notes])]


def order_sentence(name: str, described: dict) -> str:
    """Say how many of a run's answers change with the order.

    Args:
        name: the run's.
        described: the `permutations` of `metrics.json`.
    """
    flips, n = described["flips"], described["n"]
    questions = f"{flips:,} of {n:,} questions, {numbers.format_share(described['flip_rate'])},"
    if described["options_listed"]:
        return f"{name} answers {questions} differently in another order of the options."
    start = f"{name} is not shown a list of the options, so their order should not matter: it"
    if not flips:
        return f"{start} answers 0 of {n:,} questions differently in another order."
    return f"{start} answers {questions} differently; it reaches the answer by another way."


def _rows(runs: list[dict], *, pride: bool) -> list[list[str]]:
    of_runs = [run["metrics"]["permutations"] for run in runs]
    rows = [
        [heading, *(numbers.format_share(d.get(key)) for d in of_runs)]
        for heading, key in ROWS.items()
    ]
    if pride:
        found = [d.get("pride", {}) for d in of_runs]
        rows.append(["Accuracy, PriDe", *(numbers.format_share(p.get("debiased")) for p in found)])
        gains = (_points(p.get("difference")) for p in found)
        rows.append(["PriDe minus original order, in points", *gains])
        counts = sorted({count for p in found for count in p.get("priors", {})}, key=int)
        for count in counts:
            priors = (_prior(p.get("priors", {}).get(count)) for p in found)
            rows.append([f"Prior of the letters, {count} options", *priors])
    further: dict[str, Callable[[dict], str]] = {
        "Orders": lambda d: d["kind"] if d["kind"] in ("cyclic", "all") else f"{d['kind']}, drawn",
        "Answers in all": lambda d: f"{d['answers']:,}",
        "Options listed in the prompt": lambda d: "yes" if d["options_listed"] else "no",
        "Largest change of a score": lambda d: _change(d["largest_score_change"]),
        "Time for the further orders": lambda d: numbers.format_seconds(d["seconds"]),
    }
    return rows + [[heading, *map(cell, of_runs)] for heading, cell in further.items()]


def _points(known: dict | None) -> str:
    return numbers.format_difference(known["value"], known["ci95"]) if known else numbers.UNKNOWN


def _prior(prior_O: list[float] | None) -> str:
    if prior_O is None:
        return numbers.UNKNOWN
    return ", ".join(
        f"{letter} {share:.0%}" for letter, share in zip(LETTERS, prior_O, strict=False)
    )


def _change(change: float | None) -> str:
    if change is None:
        return numbers.UNKNOWN
    return "none" if change == 0 else f"{change:.2g}"


def _pride_sentence(run: dict) -> str:
    pride = run["metrics"]["permutations"]["pride"]
    gain = pride["difference"]
    low, high = gain["ci95"]
    clear = gain["p_value"] < 0.05 and not low <= 0 <= high
    raw, debiased = (numbers.format_accuracy(pride[name]["value"]) for name in ("raw", "debiased"))
    result = "" if clear else ", no clear difference"
    p = numbers.format_p_value(gain["p_value"], "= ")
    return (
        f"{run['name']} with its prior for the letters taken out (PriDe, estimated on "
        f"{pride['sample']['n']:,} questions): {debiased} right instead of {raw}, "
        f"{_points(gain)} points, p {p}{result}."
    )
