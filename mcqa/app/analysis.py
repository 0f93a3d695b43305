"""What an evaluation says beyond accuracy: of each run, of each pair, of each question.

Here the statistics of `mcqa.evaluation` are put together for `metrics.json`, `comparison.json`,
`per_question.csv` and the report.
"""

import csv
import io
from collections.abc import Hashable, Mapping, Sequence

from mcqa.app.together import describe_together
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.bias import describe_positions
from mcqa.evaluation.comparison import compare_many, joint_test
from mcqa.evaluation.groups import by_option_count, by_subject, describe_groups
from mcqa.evaluation.measures import describe_run
from mcqa.evaluation.metrics import summarize
from mcqa.evaluation.paired import describe_pair
from mcqa.evaluation.pairing import align_answers
from mcqa.evaluation.predictions import Prediction
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
    """Return what `metrics.json` says about a run.

    Args:
        predictions: the run's predictions.
        questions: what they answer; none where that is not known.
        seconds: how long scoring them took, or None where that is not known.
        peak_memory_bytes: how much memory that took at most, likewise.

    Returns:
        What `summarize` returns. Where a question is labelled, also `scored`, `tied_gold`,
        `metrics`, `confusion`, `reliability` and `risk_coverage` (see `describe_run`),
        `positions` (see `describe_positions`), `bootstrap` (its `seed` and how many resamples)
        and, with questions, `per_subject` and `per_option_count`: by group `n`, `scored`,
        `unparsed` and `metrics`.
    """
    summary = summarize(predictions, seconds, peak_memory_bytes)
    if not summary["n"]:
        return summary
    answers = Answers.of(predictions)
    described = describe_run(answers)
    bootstrap = {key: described.pop(key) for key in ("seed", "resamples")}
    bootstrap["group_resamples"] = GROUP_RESAMPLES
    groupings = {"per_subject": by_subject, "per_option_count": by_option_count}
    groups = {
        name: {
            str(group): {key: values[key] for key in GROUP_KEYS}
            for group, values in describe_groups(
                answers, group_of(questions), resamples=GROUP_RESAMPLES
            ).items()
        }
        for name, group_of in groupings.items()
        if questions
    }
    positions = describe_positions(answers)
    further = {**described, "positions": positions, **groups, "bootstrap": bootstrap}
    return {**summary, **further, **summary}  # the keys of the summary first, and its counts


def compare_runs(
    runs: Runs,
    *,
    seed: int = 0,
    clusters: Mapping[str, Hashable] | None = None,
    validation: Runs | None = None,
) -> list[dict]:
    """Compare every pair of named runs in accuracy and in every other metric.

    Args:
        runs: names and predictions.
        seed, clusters: see `compare_many`.
        validation: names and predictions for validation questions, where there are some.

    Returns:
        What `compare_many` returns, each with `paired` (see `describe_pair`; of accuracy it has
        the interval and p-value of the comparison, before any correction), `together` (see
        `mcqa.app.together.describe_together`) and, of more than two runs, `joint` (see
        `joint_test`), the same for all.

    Raises:
        ComparisonError: two of the runs do not answer the same labelled questions.
    """
    comparisons = compare_many(runs, seed=seed, clusters=clusters)
    joint = {"joint": joint_test(runs)} if len(runs) > 2 else {}
    results = []
    for comparison in comparisons:
        names = comparison["a"]["name"], comparison["b"]["name"]
        a, b = align_answers(runs[names[0]], runs[names[1]], *names)
        paired = describe_pair(a, b, seed=seed, clusters=clusters)
        test = comparison.get("clusters", comparison["mcnemar"])
        # one interval and one p for one number: two bootstraps differ in the last digit
        paired["metrics"]["accuracy"] |= {
            "ci95": comparison["difference_ci95"],
            "p_value": test["p_value"],
        }
        together = describe_together(
            a, b, names, validation=validation or {}, seed=seed, clusters=clusters
        )
        results.append({**comparison, **joint, "paired": paired, "together": together})
    return results


def one_sided(
    a: Sequence[Prediction],
    b: Sequence[Prediction],
    questions: Mapping[str, Question],
    limit: int = EXAMPLES,
) -> dict[str, list[dict]]:
    """Return the first questions that only one of two runs gets right.

    Args:
        a, b: predictions of both runs, over the same questions.
        questions: the questions by id.
        limit: how many to return of each side.

    Returns:
        `a_only` and `b_only`, lists of `id`, `context`, `stem`, `answer`, and `chosen`, the other
        run's wrong answer (None where none was parsed).
    """
    in_a, in_b = ({p.id: p for p in run} for run in (a, b))

    def shown(here: dict[str, Prediction], there: dict[str, Prediction]) -> list[dict]:
        ids = [id for id in in_a if here[id].correct and not there[id].correct]
        return [_example(questions[id], there[id]) for id in ids[:limit]]

    return {"a_only": shown(in_a, in_b), "b_only": shown(in_b, in_a)}


def per_question(runs: Runs, questions: Mapping[str, Question]) -> str:
    """Return `per_question.csv`: a row per question, four columns per run, no question's text.

    A spreadsheet would run a cell that begins with one of `= + - @`, a tab or a line break as a
    formula; such a cell gets an apostrophe before it. Lines end in CR LF: with LF alone the
    csv module does not quote a carriage return inside a cell.

    Args:
        runs: names and predictions over the same questions, in any order.
        questions: questions by id, for their subjects.
    """
    of_run = [{p.id: p for p in predictions} for predictions in runs.values()]
    columns = ("choice", "correct", "gold probability", "parsed")
    rows = [
        ["id", "subject", "label", *(f"{name} {column}" for name in runs for column in columns)]
    ]
    for id, first in of_run[0].items():
        subject = questions[id].subject if id in questions else None
        cells = [cell for predictions in of_run for cell in _cells(predictions[id])]
        rows.append([id, subject, first.label, *cells])
    buffer = io.StringIO()
    csv.writer(buffer).writerows([list(map(_guarded, row)) for row in rows])
    return buffer.getvalue()


def _example(question: Question, wrong: Prediction) -> dict:
    return {
        "id": question.id,
        "context": question.context,
        "stem": question.stem,
        "answer": question.answer,
        "chosen": None if wrong.choice is None else question.options[wrong.choice],
    }


def _cells(prediction: Prediction) -> list:
    """Return a run's cells for one question: what is not known is left empty."""
    labelled = prediction.label is not None
    gold = (
        prediction.probabilities[prediction.label]
        if labelled and prediction.probabilities
        else None
    )
    correct = int(prediction.correct) if labelled else None
    return [prediction.choice, correct, gold, prediction.parsed]


def _guarded(cell) -> str:
    if cell is None:
        return ""
    text = f"{cell:.6g}" if isinstance(cell, float) else str(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
