"""What training leaves of its validation questions, and what comes of it later."""

import json
import math
import shutil
from types import SimpleNamespace

import pytest

import mcqa
from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.fitting import fit_temperature
from mcqa.evaluation.metrics import wilson_interval
from mcqa.prediction import read_predictions

FEW = ["--max-steps", 2]


@pytest.fixture(scope="module")
def mixed_file(tiny_questions, tmp_path_factory):
    """24 of the questions, each fourth with a wrong label: no temperature at a bound fits them."""
    path = tmp_path_factory.mktemp("mixed") / "mixed.jsonl"
    rows = [
        {"id": q.id, "stem": q.stem, "options": q.options, "label": q.label}
        for q in tiny_questions[:24]
    ]
    for row in rows[::4]:
        row["label"] = (row["label"] + 1) % len(row["options"])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def validated(run_main, training, mixed_file, tmp_path_factory):
    """A run of each formulation that was trained with 24 validation questions."""
    folder = tmp_path_factory.mktemp("validated")
    settings = [*FEW, "--validation-data", mixed_file]
    for name in ("generative", "multiple-choice"):
        flags = [*training, *settings, "--output", folder / name]
        assert run_main("train", name, *flags) == 0
    return {name: folder / name for name in ("generative", "multiple-choice")}


def record_of(folder):
    return json.loads((folder / "run.json").read_text())


def test_a_run_holds_what_it_answered_and_the_temperature_fitted_on_that(validated, formulation):
    record = record_of(validated[formulation])
    predictions = read_predictions(validated[formulation] / "validation_predictions.jsonl")
    scorer = {"generative": "text-mean", "multiple-choice": "head"}[formulation]
    assert {p.scorer for p in predictions} == {scorer}
    assert record["calibration"] == {
        "scorer": scorer,
        **fit_temperature(Answers.of(predictions)),
    }
    right = sum(p.correct for p in predictions)
    assert record["validation_accuracy"] == {
        "value": right / 24,
        "n": 24,
        "ci95": list(wilson_interval(right, 24)),
    }
    card = (validated[formulation] / "README.md").read_text()
    assert f"temperature {record['calibration']['temperature']:.3g}" in card
    assert record["peak_memory_bytes"] > 50_000_000  # torch alone takes more


def test_the_run_as_it_is_loaded_gives_exactly_these_scores(validated, formulation, mixed_file):
    saved = read_predictions(validated[formulation] / "validation_predictions.jsonl")
    scorer = mcqa.load_scorer(str(validated[formulation]), device="cpu")
    questions = mcqa.load_questions(mixed_file)
    assert scorer.score_many(questions, batch_size=12) == saved
    assert scorer.temperature == record_of(validated[formulation])["calibration"]["temperature"]


def test_probabilities_change_only_where_a_temperature_is_applied(validated):
    scorer = mcqa.load_scorer(str(validated["multiple-choice"]), device="cpu")
    question = mcqa.Question(stem="Which is a fruit?", options=("pear", "saw"))
    raw = scorer.score(question)
    odds = [math.exp(score) for score in raw.scores]
    assert raw.probabilities == pytest.approx([x / sum(odds) for x in odds])
    cooled = [math.exp(score / scorer.temperature) for score in raw.scores]
    calibrated = raw.calibrated(scorer.temperature)
    assert calibrated.probabilities == pytest.approx([x / sum(cooled) for x in cooled])
    assert calibrated.scores == raw.scores
    with pytest.raises(ConfigError, match="above 0"):
        raw.calibrated(0)


@pytest.mark.parametrize("settings", [{"scorer": "text"}, {"template": "hybrid"}])
def test_other_scores_than_those_it_was_fitted_on_have_no_temperature(validated, settings):
    run = str(validated["generative"])
    assert mcqa.load_scorer(run, device="cpu", **settings).temperature is None


def test_a_temperature_at_its_bound_is_no_calibration(validated, tmp_path):
    from mcqa.evaluating.validation import own_validation
    from mcqa.runs.card import model_card

    run = shutil.copytree(validated["multiple-choice"], tmp_path / "run")
    record = record_of(run)
    record["calibration"] |= {"temperature": 0.01, "at_bound": True}
    (run / "run.json").write_text(json.dumps(record))
    scorer = mcqa.load_scorer(str(run), device="cpu")
    assert scorer.temperature is None
    assert (
        len(own_validation(str(run), scorer, []).predictions) == 24
    )  # they are known all the same
    assert "no temperature within bounds (0.01) for `head`" in model_card(record)


def test_a_run_without_validation_questions_has_no_temperature(runs, formulation):
    record = record_of(runs[formulation])
    assert (record["calibration"], record["validation_accuracy"]) == (None, None)
    assert not (runs[formulation] / "validation_predictions.jsonl").exists()
    assert mcqa.load_scorer(str(runs[formulation]), device="cpu").temperature is None
    assert "| validation | none |" in (runs[formulation] / "README.md").read_text()


def test_a_model_gone_astray_is_saved_without_a_temperature(
    tmp_path, tiny_questions, tiny_tokenizer
):
    from mcqa.prediction import Prediction
    from mcqa.prompting.encoded_sets import encode_set
    from mcqa.prompting.encoding import Encoder
    from mcqa.prompting.prompts import get_template
    from mcqa.training.progress import no_progress
    from mcqa.training.validation import validate

    def score_encoded(questions, batch_size, on_progress):
        nan = [math.nan] * 5
        return [
            Prediction.scored(q, nan[: len(q.options)], unit="logit", scorer="head", tokens=1)
            for q in questions.asked
        ]

    encoder, told = Encoder(tiny_tokenizer, get_template("cloze"), 300), []
    model = SimpleNamespace(eval=lambda: None)
    scorer = SimpleNamespace(name="head", model=model, score_encoded=score_encoded)
    encoded = encode_set(encoder, tiny_questions)
    result = validate(scorer, encoded, tmp_path, 8, told.append, no_progress)
    assert result["calibration"] is None
    assert result["validation_accuracy"]["n"] == 36
    assert "No temperature: question 'q0': its scores" in told[-1]
