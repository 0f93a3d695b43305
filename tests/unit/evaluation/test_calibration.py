import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers, log_softmax
from mcqa.evaluation.calibration import (
    apply_temperature,
    describe_calibration,
    fit_temperature,
)
from mcqa.evaluation.quality import question_values


def overconfident(n, temperature, seed=0):
    """Return answers whose labels are drawn from the softmax of the scores over `temperature`."""
    rng = np.random.default_rng(seed)
    scores_NO = rng.normal(scale=2 * temperature, size=(n, 4))
    scores_NO[rng.random(n) < 0.5, 3] = np.nan
    probability_NO = np.nan_to_num(np.exp(log_softmax(scores_NO / temperature)))
    label_N = (rng.random((n, 1)) > np.cumsum(probability_NO, axis=1)).sum(1)
    return Answers.from_scores([str(i) for i in range(n)], label_N, scores_NO)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 20.0])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    fitted = fit_temperature(overconfident(20_000, temperature))
    assert fitted["temperature"] == pytest.approx(temperature, rel=0.04)
    assert (fitted["n"], fitted["at_bound"]) == (20_000, False)


@pytest.mark.parametrize("seed", range(3))
def test_no_temperature_is_likelier(seed):
    answers = overconfident(150, 3.0, seed)

    def loss(log_temperature):
        run = apply_temperature(answers, np.exp(log_temperature))
        return question_values(run)["nll"].mean()

    best = minimize_scalar(loss, bounds=(-4, 6), method="bounded", options={"xatol": 1e-9})
    assert fit_temperature(answers)["temperature"] == pytest.approx(np.exp(best.x), rel=1e-5)


def test_a_temperature_changes_confidence_and_no_choice(random_answers):
    answers = random_answers(50, unscored=0.2)
    cooler = apply_temperature(answers, 2.0)
    assert (cooler.choices == answers.choices).all()
    known = answers.scored
    assert (cooler.confidence[known] <= answers.confidence[known]).all()
    assert np.isnan(cooler.confidence[~known]).all()


def test_a_temperature_divides_the_scores():
    answers = Answers.from_scores("a", [0], np.array([[np.log(9), 0.0]]))
    np.testing.assert_allclose(
        np.exp(apply_temperature(answers, 2.0).log_probabilities), [[0.75, 0.25]]
    )


@pytest.mark.parametrize(("label", "temperature"), [(0, 0.01), (1, 1000.0)])
def test_a_best_temperature_out_of_bounds_is_said_to_be(label, temperature):
    answers = Answers.from_scores("ab", [label] * 2, np.array([[1.0, 0.0], [2.0, 0.0]]))
    fitted = fit_temperature(answers)
    assert fitted == {"temperature": temperature, "n": 2, "at_bound": True}


def test_answers_without_scores_are_left_out(random_answers):
    mixed = random_answers(200, unscored=0.4)
    assert fit_temperature(mixed) == fit_temperature(mixed.take(mixed.scored))
    with pytest.raises(ConfigError, match="fitted on scores"):
        fit_temperature(mixed.take(~mixed.scored))


def test_a_description_tells_before_from_after():
    validation, test = overconfident(2000, 4.0, seed=1), overconfident(1000, 4.0, seed=2)
    temperature = fit_temperature(validation)["temperature"]
    result = describe_calibration(test, temperature, resamples=50)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert (result["n"], result["temperature"]) == (1000, temperature)
    for name in ("nll", "brier", "ece", "ece_equal_mass"):
        before, after = result["before"][name], result["after"][name]
        assert after["ci95"][1] < before["ci95"][0], name
        assert before["n"] == after["n"] == 1000
    assert result["before"]["reliability"] != result["after"]["reliability"]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_zero_is_refused(random_answers, temperature):
    with pytest.raises(ConfigError, match="above 0"):
        apply_temperature(random_answers(3), temperature)
