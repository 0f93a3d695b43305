"""Temperatures and combinations that are fitted on other questions than the evaluated ones."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mcqa.errors import ConfigError, DataError
from mcqa.evaluating.analysis import compare_runs
from mcqa.evaluating.folder import Record, Validation, read_record, write_record
from mcqa.evaluating.results import describe_temperature, redraw, write_results
from mcqa.evaluating.validation import EVALUATED, UNKNOWN, load_validation, own_validation
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.comparison import compare
from mcqa.evaluation.fitting import fit_stack, fit_temperature, stack
from mcqa.evaluation.pairing import align
from mcqa.prediction import Prediction, write_predictions
from mcqa.runs.questions_seen import write_seen


@pytest.fixture
def questions_file(tmp_path):
    """Write questions as a file and return its path."""

    def write(questions):
        rows = ({**asdict(q), "question": q.stem} for q in questions)
        keep = ("id", "question", "options", "label", "context")
        lines = (json.dumps({name: row[name] for name in keep}) + "\n" for row in rows)
        path = tmp_path / "validation.jsonl"
        path.write_text("".join(lines))
        return str(path)

    return write


def others(questions):
    return [replace(q, id=f"v{n}", stem=f"Other {n}?") for n, q in enumerate(questions)]


@pytest.fixture
def validations(questions):
    """Two runs' noisy answers to 30 validation questions; the second knows more, too loudly."""
    rng = np.random.default_rng(0)
    runs = {}
    for name, strength, loudness in (("first", 0.5, 1.0), ("second", 1.0, 4.0)):
        runs[name] = []
        for number in range(30):
            question = replace(questions[0], id=f"v{number}", label=number % 2)
            scores = rng.normal(size=2)
            scores[number % 2] += strength
            scores = (loudness * scores).tolist()
            made = Prediction.scored(question, scores, unit="logit", scorer="head", tokens=3)
            runs[name].append(made)
    return runs


def test_validation_questions_are_read_where_they_are_others(questions, questions_file):
    path = questions_file(others(questions))
    loaded = load_validation(path, questions, limit=5)
    assert [q.id for q in loaded] == ["v0", "v1", "v2", "v3", "v4"]


@pytest.mark.parametrize(
    "same",
    [
        lambda q: replace(q, options=(*q.options, "another")),  # id and stem
        lambda q: replace(q, id="renamed", options=q.options[::-1], label=1),  # stem and options
        lambda q: replace(q, id="renamed", stem=f" {q.stem.upper()}"),  # to a reader
    ],
)
def test_questions_that_are_evaluated_are_no_validation(questions, questions_file, same):
    path = questions_file([*others(questions), same(questions[2])])
    with pytest.raises(ConfigError, match=r"1 of 13 are evaluated too, '(q2|renamed)' among them"):
        load_validation(path, questions)


def test_the_same_words_about_another_context_are_another_question(questions, questions_file):
    path = questions_file([replace(questions[2], context="Elsewhere.")])
    assert len(load_validation(path, questions)) == 1


def test_validation_needs_labels(questions, questions_file):
    path = questions_file([replace(others(questions)[0], label=None)])
    with pytest.raises(DataError, match="'v0' has no label, and validation needs one"):
        load_validation(path, questions)


@pytest.fixture
def run(tmp_path):
    """Leave a run's validation predictions in its folder and return the folder's name."""

    def make(predictions):
        write_predictions(tmp_path / "run" / "validation_predictions.jsonl", predictions)
        return str(tmp_path / "run")

    return make


def test_a_runs_own_validation_is_used_where_its_temperature_fits(run, answer, validations):
    answered = answer("1" * 12)
    model = run(validations["first"])
    own = own_validation(model, SimpleNamespace(calibration={"temperature": 1.5}), [], answered)
    assert own.predictions == validations["first"]
    assert own.note == "the 30 validation questions of its training"
    otherwise = own_validation(model, SimpleNamespace(calibration=None), [], answered)
    assert otherwise == Validation([], UNKNOWN)


def test_a_runs_own_validation_is_passed_over_where_its_questions_are_renamed(
    run, answer, questions
):
    answered = [replace(prediction, id=f"v{n}") for n, prediction in enumerate(answer("1" * 12))]
    scorer, model = SimpleNamespace(calibration={"temperature": 1.5}), run(answered)
    before = own_validation(model, scorer, questions, answer("1" * 12))
    assert before.predictions  # without digests a renamed file gets through
    write_seen(Path(model), {"validated": [replace(q, id=f"v{q.id}") for q in questions]})
    assert own_validation(model, scorer, questions, answer("1" * 12)) == Validation([], EVALUATED)
    other = [replace(q, stem=f"Not {q.stem}") for q in questions]
    assert own_validation(model, scorer, other, answer("1" * 12)).predictions


def test_the_validation_of_a_run_without_digests_is_told_by_ids_and_labels(run, answer):
    answered = answer("1" * 12)
    scorer = SimpleNamespace(calibration={"temperature": 1.5})
    assert own_validation(run(answered[3:6]), scorer, [], answered) == Validation([], EVALUATED)
    # row numbers that two files share: of the same ids, one has another label
    numbered = [*answered[3:6], replace(answered[6], label=1)]
    assert own_validation(run(numbered), scorer, [], answered).predictions == numbered


def test_calibration_is_told_before_and_after_the_fitted_temperature(evaluated, validations):
    validation = Validation(validations["second"], "others")
    _, second = evaluated(validations={"second": validation})
    told = describe_temperature(second)
    fitted = fit_temperature(Answers.of(validations["second"]))
    assert told["temperature"] == fitted["temperature"] > 1
    assert told["fitted"] == {"n": 30, "at_bound": False}

    def by_hand(temperature):
        # 8 right answers: log odds of 2 for the right of two; 4 wrong ones: 1 for the other.
        # A third option, of -5, is in every odd question: 4 of the right ones, 2 of the wrong.
        right, wrong = (np.array(s) / temperature for s in ([2.0, 0, -5], [0, 1.0, -5]))
        losses = [np.log(np.exp(s).sum()) - s[0] for s in (right[:2], right, wrong[:2], wrong)]
        return np.dot(losses, (4, 4, 2, 2)) / 12

    assert told["before"]["nll"]["value"] == pytest.approx(by_hand(1.0))
    assert told["after"]["nll"]["value"] == pytest.approx(by_hand(told["temperature"]))


def test_a_run_without_validation_says_why_it_has_no_temperature(evaluated):
    first, _ = evaluated()
    assert describe_temperature(first) == {"temperature": None, "note": "No temperature: a reason."}


def test_two_runs_are_stacked_as_their_validation_answers_say(answer, validations):
    runs = {"first": answer("111111110000"), "second": answer("111111001100")}
    (comparison,) = compare_runs(align(runs), seed=3, validation=validations)
    stacked = comparison["together"]["stacked"]
    weights = fit_stack(*(Answers.of(run) for run in validations.values()))
    assert stacked["n_validation"] == weights.pop("n") == 30
    assert {name: stacked[name] for name in weights} == weights
    combined = stack(*(Answers.of(run) for run in runs.values()), **weights)
    assert stacked["value"] == combined.correct.mean()
    # the first of two equally good runs is the better one; only a rank of the choices is needed
    right = Answers.of(runs["first"]).correct
    expected = compare(right, combined.correct, ("first", "stacked"), seed=3)
    assert stacked["against_better"] == expected
    assert stacked["ci95"] == expected["b"]["accuracy_ci95"]


def test_the_better_run_is_the_second_where_it_is(answer, validations):
    runs = {"first": answer("1" * 6 + "0" * 6), "second": answer("1" * 8 + "0" * 4)}
    (comparison,) = compare_runs(align(runs), validation=validations)
    against = comparison["together"]["stacked"]["against_better"]
    assert (against["a"]["name"], against["a"]["accuracy"]) == ("second", 8 / 12)


def test_runs_with_different_validation_questions_are_not_stacked(answer, validations):
    runs = {"first": answer("1" * 12), "second": answer("0" * 12)}
    (comparison,) = compare_runs(align(runs), validation=validations | {"second": []})
    assert comparison["together"]["stacked"] is None
    fewer = validations | {"second": validations["second"][1:]}
    (comparison,) = compare_runs(align(runs), validation=fewer)
    assert comparison["together"]["stacked"] is None


def test_all_of_it_is_drawn_again_without_scoring(evaluated, questions, validations, tmp_path):
    kept = {name: Validation(run, "others") for name, run in validations.items()}
    record = Record("A title", {}, evaluated(validations=kept), questions)
    write_record(tmp_path, record)
    write_results(tmp_path, record)
    files = ("comparison.json", "first/metrics.json", "report.html", "report.md")
    before = [(tmp_path / name).read_bytes() for name in files]
    assert read_record(tmp_path).evaluations[0].validation == kept["first"]
    redraw(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in files] == before
    metrics = json.loads(before[1])
    assert metrics["calibration"]["fitted"]["n"] == 30
    assert metrics["peak_memory_bytes"] == 2_000_000
    assert "as fitted on 30 validation questions" in before[3].decode()


def test_an_earlier_validation_does_not_stay(evaluated, validations, tmp_path):
    evaluated(validations={"first": Validation(validations["first"], "others")})
    assert (tmp_path / "first" / "validation_predictions.jsonl").is_file()
    evaluated()
    assert not (tmp_path / "first" / "validation_predictions.jsonl").exists()
