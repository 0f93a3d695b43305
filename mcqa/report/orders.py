"""Do the answers depend on the order of the options? A run that was scored in others too."""

from collections.abc import Callable, Sequence

from mcqa.evaluation import numbers
from mcqa.question import LETTERS
from mcqa.report.blocks import Section, Table, Text

NOTE = (
    "A question flips if it is not answered the same in every order it was asked in. Consistency: "
    "the share of a question's orders that give its most frequent answer. Over all orders: the "
    "mean share of orders answered right; averaged: each option's probability is averaged over the "
    "orders first. For consistency and over all orders 95% intervals are a bootstrap's "
    "({resamples:,} resamples, seed {seed}), else Wilson's; all over groups of questions where "
    "these are about the same thing."
)
PRIDE_NOTE = (
    " PriDe estimates how likely each letter is whatever it stands for, and divides that out. The "
    "questions it is estimated on are asked in all orders and take the average, all others are "
    "asked once. The difference has the interval and the p of a comparison of two runs."
)
ACCURACIES = {
    "Questions that flip": "flip_rate",
    "Consistency": "consistency",
    "Accuracy, original order": "accuracy",
    "Accuracy, over all orders": "accuracy_over_orders",
    "Accuracy, averaged over orders": "averaged_accuracy",
}
FURTHER: dict[str, Callable[[dict], str]] = {
    "Orders": lambda d: d["kind"] if d["kind"] in ("cyclic", "all") else f"{d['kind']}, drawn",
    "Answers in all": lambda d: f"{d['answers']:,}",
    "Options listed in the prompt": lambda d: "yes" if d["options_listed"] else "no",
    "Largest change of a score": lambda d: _change(d["largest_score_change"]),
    "Time for the further orders": lambda d: numbers.format_seconds(d["seconds"]),
}


def order_sections(runs: list[dict]) -> list[Section]:
    """Return the section on orders, nothing where no run was scored in others than its own."""
    asked = {run["name"]: found for run in runs if (found := run["metrics"].get("permutations"))}
    if not asked:
        return []
    described = list(asked.values())
    debiased = {name: found["pride"] for name, found in asked.items() if "pride" in found}
    sentences = [order_sentence(*run) for run in asked.items()]
    sentences += [_pride_sentence(*run) for run in debiased.items()]
    rows = [
        [heading, *(numbers.format_share(found.get(key)) for found in described)]
        for heading, key in ACCURACIES.items()
    ]
    if debiased:
        rows += _pride_rows([found.get("pride", {}) for found in described])
    rows += [[heading, *map(cell, described)] for heading, cell in FURTHER.items()]
    note = NOTE.format(resamples=described[0]["resamples"], seed=described[0]["seed"])
    texts = [Text(sentence, "plain") for sentence in sentences]
    blocks = [*texts, Table(["", *asked], rows), Text(note + PRIDE_NOTE if debiased else note)]
    return [Section("Do the answers depend on the options' order?", blocks)]


def order_sentence(name: str, described: dict) -> str:
    """Say how many of a run's answers change with the order, as `metrics.json` describes it."""
    flips, n = described["flips"], described["n"]
    questions = f"{flips:,} of {n:,} questions, {numbers.format_share(described['flip_rate'])},"
    if described["options_listed"]:
        return f"{name} answers {questions} differently in another order of the options."
    start = f"{name} is not shown a list of the options, so their order should not matter: it"
    if not flips:
        return f"{start} answers 0 of {n:,} questions differently in another order."
    return f"{start} answers {questions} differently; it reaches the answer by another way."


def _pride_rows(found: list[dict]) -> list[list[str]]:
    debiased = (numbers.format_share(pride.get("debiased")) for pride in found)
    gains = (_points(pride.get("difference")) for pride in found)
    rows = [["Accuracy, PriDe", *debiased], ["PriDe minus original order, in points", *gains]]
    of_runs = [pride.get("priors", {}) for pride in found]
    for count in sorted(set().union(*of_runs), key=int):
        priors = (_prior(priors.get(count, ())) for priors in of_runs)
        rows.append([f"Prior of the letters, {count} options", *priors])
    return rows


def _pride_sentence(name: str, pride: dict) -> str:
    gain = pride["difference"]
    low, high = gain["ci95"] or (0, 0)
    p_value, corrected = gain["p_value"], ""
    if gain.get("comparisons", 1) > 1:
        p_value = gain["p_value_holm"]
        corrected = f" after Holm's correction for {gain['comparisons']} runs"
    result = "" if p_value < 0.05 and not low <= 0 <= high else ", no clear difference"
    raw, debiased = (numbers.format_accuracy(pride[key]["value"]) for key in ("raw", "debiased"))
    return (
        f"{name} with its prior for the letters taken out (PriDe, estimated on "
        f"{pride['sample']['n']:,} questions): {debiased} right instead of {raw}, "
        f"{_points(gain)} points, p {numbers.format_p_value(p_value, '= ')}{corrected}{result}."
    )


def _points(known: dict | None) -> str:
    return numbers.format_difference(known["value"], known["ci95"]) if known else numbers.UNKNOWN


def _prior(prior_O: Sequence[float]) -> str:
    shown = zip(LETTERS, prior_O, strict=False)
    return ", ".join(f"{letter} {share:.0%}" for letter, share in shown) or numbers.UNKNOWN


def _change(change: float | None) -> str:
    if change is None:
        return numbers.UNKNOWN
    return f"{change:.2g}" if change else "none"
