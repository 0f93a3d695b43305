"""What an evaluation says beyond accuracy: of each run, of each pair, of each question."""

import csv
import io
import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from mcqa.evaluation.bias import describe_positions
from mcqa.evaluation.comparison import compare, compare_many, joint_test
from mcqa.evaluation.fitting import average, fit_stack, stack
from mcqa.evaluation.groups import by_subject, cluster_numbers, describe_groups
from mcqa.evaluation.measures import describe_run
from mcqa.evaluation.metrics import share, summarize
from mcqa.evaluation.paired import describe_pair
from mcqa.evaluation.pairing import align
from mcqa.evaluation.sets import AnyAnswers, answers_of, are_plain, by_kind
from mcqa.evaluation.table import RSTD
from mcqa.kinds import Label
from mcqa.prediction import Prediction
from mcqa.question import Question

Runs = Mapping[str, Sequence[Prediction]]

EXAMPLES = 10
GROUP_RESAMPLES = 400  # of each group, for there are many of them
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
GROUP_KEYS = ("n", "scored", "unparsed", "metrics")


def describe(
    predictions: Sequence[Prediction],
    questions: Sequence[Question],
    seconds: float | None,
    peak_memory_bytes: int | None = None,
) -> dict:
    """Return what `metrics.json` says about a run: what `summarize` does, and more.

    Args:
        questions: what the predictions answer; none where that is not known.

    Returns:
        Where a question is labelled, also what `describe_run` returns, of choices `positions` (see
        `describe_positions`), `bootstrap` (`seed` and how many resamples) and, with questions,
        `per_subject` and `per_option_count`: of each group `n`, `scored`, `unparsed`, `metrics`.
        Where there are other kinds than plain choices, all this of each kind under `kinds`.
    """
    summary = summarize(predictions, seconds, peak_memory_bytes)
    if "kinds" not in summary:
        return _describe_kind(summary, predictions, questions)
    kinds = {
        kind: _describe_kind(summary["kinds"][kind], own, questions)
        for kind, own in by_kind(predictions).items()
    }
    return summary | {"kinds": kinds}


def _describe_kind(
    summary: dict, predictions: Sequence[Prediction], questions: Sequence[Question]
) -> dict:
    if not summary["n"]:
        return summary
    answers = answers_of(predictions)
    described = describe_run(answers)
    bootstrap = {key: described.pop(key) for key in ("seed", "resamples")}
    bootstrap["group_resamples"] = GROUP_RESAMPLES
    if answers.kind in RSTD.kinds:
        described["positions"] = describe_positions(answers)
    option_counts = {question.id: len(question.options) for question in questions}
    groupings = {"per_subject": by_subject(questions), "per_option_count": option_counts}
    for name, group_of in groupings.items() if questions else ():
        groups = describe_groups(answers, group_of, resamples=GROUP_RESAMPLES)
        kept = {str(group): {k: of[k] for k in GROUP_KEYS} for group, of in groups.items()}
        described[name] = kept
    # the keys of the summary first, and its counts
    return {**summary, **described, "bootstrap": bootstrap, **summary}


def compare_kinds(
    runs: Mapping[str, Mapping[str, AnyAnswers]], *, validation: Runs | None = None, **how
) -> list[dict]:
    """Compare every pair of runs in each kind of questions by itself; see `compare_runs`.

    Args:
        runs: by kind and name, as `mcqa.evaluation.pairing.align_kinds` returns them.

    Returns:
        One kind's comparisons after the other's. Each says its `kind` first, unless there are plain
        choices alone.
    """
    results = []
    for kind, of_kind in runs.items():
        own = {name: by_kind(v).get(kind, ()) for name, v in (validation or {}).items()}
        said = {} if are_plain(runs) else {"kind": kind}
        results += [said | found for found in compare_runs(of_kind, validation=own, **how)]
    return results


def compare_runs(
    runs: Mapping[str, AnyAnswers],
    *,
    seed: int = 0,
    clusters: Mapping[str, Hashable] | None = None,
    validation: Runs | None = None,
) -> list[dict]:
    """Compare every pair of named runs in accuracy and in every other metric.

    Args:
        runs: by name, as `mcqa.evaluation.pairing.align` returns them.
        clusters: see `mcqa.evaluating.clusters.clusters_of`.
        validation: by name the predictions for validation questions, where there are some.

    Returns:
        What `compare_many` returns, each with `paired` (see `describe_pair`), `together` and, of
        more than two runs, `joint` (see `joint_test`).
    """
    ids = next(iter(runs.values())).ids
    how = {"seed": seed, "cluster_N": cluster_numbers(ids, clusters)}
    right = {name: answers.correct for name, answers in runs.items()}
    joint = {"joint": joint_test(right)} if len(runs) > 2 else {}
    results = []
    for comparison in compare_many(right, **how):
        pair = {name: runs[name] for name in (comparison[side]["name"] for side in "ab")}
        paired = describe_pair(*pair.values(), comparison, **how)
        together = _together(pair, validation or {}, how)
        results.append({**comparison, **joint, "paired": paired, "together": together})
    return results


def _together(pair: Mapping[str, AnyAnswers], validation: Runs, how: dict) -> dict:
    """Return how many questions two runs get right together.

    By `either` of them, by the `average` of their probabilities, and `stacked`: by their
    log-probabilities, weighted by what both answered to the same validation questions.
    """
    (name_a, a), (name_b, b) = pair.items()
    n, either = len(a), share(int((a.correct | b.correct).sum()), len(a))
    together = {"either": either, "average": None, "stacked": None}
    if not (a.scored.all() and b.scored.all()):
        return together
    together["average"] = share(int(average(a, b).correct.sum()), n)
    fitted_on = {name: validation.get(name, ()) for name in pair}
    asked_a, asked_b = ({(p.id, p.label) for p in answered} for answered in fitted_on.values())
    if not asked_a or asked_a != asked_b:
        return together
    weights = fit_stack(*align(fitted_on).values())
    n_validation = weights.pop("n")
    better = name_b if b.correct.sum() > a.correct.sum() else name_a
    sides = pair[better].correct, stack(a, b, **weights).correct
    against = compare(*sides, (better, "stacked"), **how)
    value, interval = (against["b"][key] for key in ("accuracy", "accuracy_ci95"))
    stacked = {"value": value, "n": n, "ci95": interval, **weights, "n_validation": n_validation}
    return together | {"stacked": stacked | {"against_better": against}}


def one_sided(
    a: AnyAnswers, b: AnyAnswers, questions: Mapping[str, Question]
) -> dict[str, list[dict]]:
    """Return the first questions that only one of two aligned runs gets right: `a_only`, `b_only`.

    Each has `id`, `context`, `stem`, `answer`, and `chosen`, the other run's wrong answer (None
    where none was parsed).
    """

    def shown(right: AnyAnswers, wrong: AnyAnswers) -> list[dict]:
        places = np.flatnonzero(right.correct & ~wrong.correct)[:EXAMPLES]
        return [_example(questions[right.ids[at]], wrong.choice_of(at)) for at in places]

    return {"a_only": shown(a, b), "b_only": shown(b, a)}


def per_question(runs: Runs, questions: Mapping[str, Question]) -> str:
    """Return `per_question.csv`: a row per question, four columns per run, no question's text.

    The runs answer the same questions, in any order. Lines end in CR LF: with LF alone the csv
    module does not quote a carriage return in a cell. Where there are other kinds than plain
    choices, a column says which, and each kind's rows stand together.
    """
    of_run = [{p.id: p for p in predictions} for predictions in runs.values()]
    columns = ("choice", "correct", "gold probability", "parsed")
    heads = [f"{name} {column}" for name in runs for column in columns]
    groups = by_kind(of_run[0].values())
    kinds = [] if are_plain(groups) else ["kind"]
    rows = [["id", *kinds, "subject", "label", *heads]]
    for first in (first for own in groups.values() for first in own):
        id = first.id
        subject = questions[id].subject if id in questions else None
        cells = [cell for predictions in of_run for cell in _cells(predictions[id])]
        rows.append([id, *([first.kind] if kinds else []), subject, _places(first.label), *cells])
    buffer = io.StringIO()
    csv.writer(buffer).writerows([list(map(_guarded, row)) for row in rows])
    return buffer.getvalue()


def _example(question: Question, chosen: Label) -> dict:
    told = {name: getattr(question, name) for name in ("id", "context", "stem")}
    return told | {"answer": _texts(question, question.label), "chosen": _texts(question, chosen)}


def _texts(question: Question, label: Label) -> str | None:
    if isinstance(label, tuple):
        return "; ".join(question.options[index] for index in label) or "none of them"
    return None if label is None else question.options[label]


def _cells(prediction: Prediction) -> list:
    label, known = prediction.label, prediction.probabilities
    correct = None if label is None else int(prediction.correct)
    gold = _gold_probability(label, known) if known and label is not None else None
    return [_places(prediction.choice), correct, gold, prediction.parsed]


def _gold_probability(label: Label, probabilities: Sequence[float]) -> float:
    """Return the probability of the right option, or that of exactly the right set."""
    if isinstance(label, tuple):
        return math.prod(p if at in label else 1 - p for at, p in enumerate(probabilities))
    return probabilities[label]


def _places(label: Label) -> int | str | None:
    return " ".join(map(str, label)) if isinstance(label, tuple) else label


def _guarded(cell) -> str:
    """Return a cell's text, behind an apostrophe where a spreadsheet would run it as a formula."""
    if cell is None:
        return ""
    text = f"{cell:.6g}" if isinstance(cell, float) else str(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
