import json

import numpy as np
import pytest

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.measures import describe_run, run_statistic
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.resampling import observed
from mcqa.evaluation.table import metrics_of

CHOICE = metrics_of("choice")


def test_a_description_is_plain_json_and_holds_every_metric(random_answers):
    description = describe_run(random_answers(120), resamples=50)
    assert json.loads(json.dumps(description, allow_nan=False)) == description
    assert list(description["metrics"]) == list(CHOICE)
    for name, metric in description["metrics"].items():
        low, high = metric["ci95"]
        assert 0 <= low <= high, name
        if metric["interval"] != "basic":
            assert low <= metric["value"] <= high, name


def test_the_numbers_of_a_small_run(answers_of):
    answers = answers_of([0, 0, 1, 1], [(0.8, 0.2), (0.4, 0.6), (0.3, 0.7), (0.1, 0.9)])
    description = describe_run(answers, resamples=20)
    metrics = description["metrics"]
    assert (description["n"], description["scored"], description["unparsed"]) == (4, 4, 0)
    assert metrics["accuracy"] == {
        "value": 0.75,
        "n": 4,
        "ci95": list(wilson_interval(3, 4)),
        "interval": "wilson",
    }
    assert metrics["top2"]["value"] == 1.0
    assert metrics["mrr"]["value"] == pytest.approx((3 + 1 / 2) / 4)
    assert metrics["nll"]["value"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 0.9]).mean())
    assert metrics["brier"]["value"] == pytest.approx((0.08 + 0.72 + 0.18 + 0.02) / 4)
    # each confidence in a bin of its own: |1 - 0.8|, |0 - 0.6|, |1 - 0.7|, |1 - 0.9|
    assert metrics["ece"]["value"] == pytest.approx((0.2 + 0.6 + 0.3 + 0.1) / 4)
    assert metrics["auroc"]["value"] == 1.0
    assert metrics["aurc"]["value"] == pytest.approx(1 / 4 / 4)
    assert metrics["accuracy_at_50"]["value"] == 1.0
    assert (metrics["accuracy_at_50"]["n"], metrics["accuracy_at_90"]["n"]) == (2, 4)
    assert description["confusion"]["counts"] == [[1, 1], [0, 2]]
    assert [point["n"] for point in description["reliability"]["ece"]] == [1, 1, 1, 1]
    assert description["risk_coverage"] == {
        "coverage": [0.25, 0.5, 0.75, 1.0],
        "risk": pytest.approx([0, 0, 0, 1 / 4]),
    }


def test_generated_answers_have_the_metrics_of_choices_alone(generated):
    run = [generated("a", 0, 0), generated("b", 1, None), generated("c", 3, 3)]
    description = describe_run(Answers.of(run), resamples=20)
    assert (description["scored"], description["unparsed"]) == (0, 1)
    assert description["risk_coverage"] is None
    assert description["reliability"] == {"ece": [], "ece_equal_mass": []}
    for name, metric in description["metrics"].items():
        if not CHOICE[name].needs_scores:
            assert (metric["value"], metric["n"]) == (pytest.approx(2 / 3), 3)
        else:
            assert metric == {"value": None, "n": 0, "ci95": None, "interval": None}


def test_probabilities_count_where_they_are(random_answers):
    mixed = random_answers(80, unscored=0.4)
    scored = mixed.take(mixed.scored)
    assert 20 < len(scored) < 70
    of_all = describe_run(mixed, resamples=20)["metrics"]
    of_scored = describe_run(scored, resamples=20)["metrics"]
    for name in {name for name, metric in CHOICE.items() if metric.needs_scores}:
        assert of_all[name]["value"] == pytest.approx(of_scored[name]["value"]), name
        assert of_all[name]["n"] == of_scored[name]["n"]
    assert (of_all["accuracy"]["n"], of_all["nll"]["n"]) == (80, len(scored))


def test_a_metric_that_is_not_defined_is_none(answers_of):
    metrics = describe_run(answers_of([0, 1], [(0.8, 0.2), (0.4, 0.6)]), resamples=20)["metrics"]
    assert metrics["auroc"] == {"value": None, "n": 2, "ci95": None, "interval": None}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("unscored", [0.0, 0.3])
def test_weights_stand_for_repeated_questions(random_answers, seed, unscored):
    answers = random_answers(60, seed=seed, unscored=unscored)
    weight = np.random.default_rng(seed).integers(0, 4, size=60)
    weighted = run_statistic(answers)(weight[None, :].astype(float))
    repeated = observed(run_statistic(answers.take(np.repeat(np.arange(60), weight))), weight.sum())
    assert weighted.keys() == set(CHOICE)
    for name in set(CHOICE) - {"ece_equal_mass"}:  # its bins stay those of the data
        assert weighted[name][0] == pytest.approx(repeated[name]), name


def test_a_calibrated_run_has_an_interval_that_reaches_down_to_little(answers_of):
    # The percentile interval lies above the value here: resampling adds its noise to the sample's.
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, size=600)
    labels = (rng.random(600) > confidence).astype(int)
    ece = describe_run(answers_of(labels, np.column_stack([confidence, 1 - confidence])))
    metric = ece["metrics"]["ece"]
    assert metric["interval"] == "basic"
    assert metric["ci95"][0] < 0.01 < metric["value"]


def test_a_long_curve_is_thinned(random_answers):
    answers = random_answers(3000, strength=0.5)
    curve = describe_run(answers, resamples=1)["risk_coverage"]
    assert len(curve["coverage"]) == len(curve["risk"]) <= 200
    assert curve["coverage"][-1] == 1.0


def test_no_resample_is_refused(random_answers):
    with pytest.raises(ConfigError, match="resamples is 0"):
        describe_run(random_answers(10), resamples=0)
