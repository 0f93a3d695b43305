"""Sums of parts come to the metrics of the whole, in any order and to the last bit."""

import random

import numpy as np
import pytest

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.comparison import compare
from mcqa.evaluation.measures import describe_run
from mcqa.evaluation.metrics import summarize
from mcqa.evaluation.tally import STEPS, Tally, describe_tally, tally_pair
from mcqa.prediction import Prediction
from mcqa.question import Question


def predictions(n, seed, *, skill=1.0):
    """Predictions of 2 to 5 options; every 10th has no label, every 7th is no parsed answer."""
    chance, made = random.Random(seed), []
    for number in range(n):
        options = tuple(map(str, range(2 + number % 4)))
        label = None if number % 10 == 9 else number % len(options)
        question = Question(id=f"q{number}", stem="?", options=options, label=label)
        scores = [chance.gauss(skill * (place == label), 1) for place in range(len(options))]
        made.append(Prediction.scored(question, scores, unit="nats", scorer="text", tokens=number))
    return made


def generated(n):
    about = {"scores": None, "probabilities": None, "unit": None, "scorer": "generate", "tokens": 1}
    return [
        Prediction(id=f"g{n}", label=n % 3, choice=None if n % 7 == 0 else n % 2, **about)
        for n in range(n)
    ]


def tallied(runs, subject_of=dict):
    tally = Tally()
    for run in runs:
        tally.update(Tally.of(run, subject_of() if callable(subject_of) else subject_of))
    return tally


@pytest.fixture(scope="module")
def run():
    return predictions(600, 0)


def test_parts_come_to_the_metrics_of_the_whole(run):
    tally = tallied([run[:100], run[100:117], run[117:]])
    found, whole = describe_tally(tally), describe_run(Answers.of(run))
    summary = summarize(run)
    for name in ("n", "accuracy", "accuracy_ci95", "unlabelled", "tokens_per_question"):
        assert found[name] == summary[name]
    assert found["chance"] == pytest.approx(summary["chance"], abs=1e-12)
    assert (found["scored"], found["tied_gold"]) == (whole["scored"], whole["tied_gold"])
    del whole["metrics"]["ece_debiased"]  # needs every answer
    assert set(found["metrics"]) == set(whole["metrics"])
    rounded = {"ece", "ece_equal_mass", "auroc", "aurc"}
    for name, metric in whole["metrics"].items():
        within = 0.01 if name in rounded or name.startswith("accuracy_at") else 1e-12
        assert found["metrics"][name]["value"] == pytest.approx(metric["value"], abs=within), name
        assert found["metrics"][name]["n"] == 540 or name.startswith("accuracy_at")
        ci95 = metric["ci95"] and pytest.approx(metric["ci95"], abs=0.03)
        assert found["metrics"][name]["ci95"] == ci95, name


def test_of_rounded_confidences_the_metrics_are_those_of_the_whole(run):
    answers = Answers.of(run)
    sure_N = np.rint(answers.confidence * STEPS) / STEPS
    from mcqa.evaluation.confidence import calibration_error, equal_mass_edges, selective

    ones, metrics = np.ones((1, len(answers))), describe_tally(tallied([run]))["metrics"]
    expected = selective(sure_N, answers.correct)(ones)
    edges = equal_mass_edges(sure_N)
    expected |= calibration_error("ece_equal_mass", sure_N, answers.correct, edges)(ones)
    for name, (value,) in expected.items():
        assert metrics[name]["value"] == pytest.approx(value, abs=1e-12), name


def test_the_order_of_parts_changes_no_bit(run):
    parts = [run[start : start + 37] for start in range(0, 600, 37)]
    assert describe_tally(tallied(parts)) == describe_tally(tallied(parts[::-1]))


def test_answers_without_scores_have_the_metrics_that_need_none():
    answers = generated(60)
    found, whole = describe_tally(tallied([answers[:20], answers[20:]])), summarize(answers)
    assert (found["unparsed"], found["accuracy"]) == (whole["unparsed"], whole["accuracy"])
    described = describe_run(Answers.of(answers))["metrics"]
    assert set(found["metrics"]) == {"accuracy", "macro_f1"}
    assert found["metrics"]["macro_f1"]["value"] == pytest.approx(described["macro_f1"]["value"])


def test_without_labels_there_is_nothing_to_measure(run):
    unlabelled = [p for p in run if p.label is None]
    found = describe_tally(tallied([unlabelled]))
    assert (found["n"], found["unlabelled"], found["metrics"]) == (0, 60, {})


def test_subjects_are_told_apart(run):
    subjects = {p.id: ("even" if number % 2 == 0 else None) for number, p in enumerate(run)}
    found = describe_tally(tallied([run[:50], run[50:]], subjects))["per_subject"]
    even = [p for number, p in enumerate(run) if number % 2 == 0 and p.label is not None]
    assert list(found) == ["even"]
    assert (found["even"]["n"], found["even"]["value"]) == (
        len(even),
        sum(p.correct for p in even) / len(even),
    )


def test_questions_of_other_kinds_have_no_sums(run):
    question = Question(id="y", stem="Is it?", kind="yes_no", label=0)
    answer = Prediction.scored(question, [1.0, 0.0], unit="nats", scorer="text", tokens=1)
    with pytest.raises(ConfigError, match="of the kinds yes_no have no sums"):
        Tally.of([*run[:3], answer], {})


def test_a_pair_is_compared_as_its_arrays_are(run):
    from mcqa.evaluating.on_parts import _compare

    other, tally = predictions(600, 1, skill=1.6), Tally()
    for start in range(0, 600, 100):
        tally.update(tally_pair(run[start : start + 100], other[start : start + 100][::-1]))
    found = _compare(("a", "b"), tally)
    a, b = Answers.of(run), Answers.of(other)
    metrics = found.pop("metrics")
    assert found == compare(a.correct, b.correct, ("a", "b"))
    mean = (b.correct.astype(float) - a.correct).mean()
    assert metrics["accuracy"]["difference"] == pytest.approx(mean)
    low, high = metrics["nll"]["ci95"]
    assert low < metrics["nll"]["difference"] < high < 0


def test_only_what_both_answered_is_compared(run):
    tally = tally_pair(run[:50], run[30:80])
    assert sum(tally.counted("right").values()) == 18  # of 20, two have no label
    assert tally_pair(run[:5], run[5:9]) == Tally()
