import math

import pytest

from mcqa.errors import ConfigError
from mcqa.evaluating.hub_metric import MultipleChoiceMetric
from mcqa.evaluation.metrics import wilson_interval


@pytest.fixture
def compute(tmp_path):
    return MultipleChoiceMetric(cache_dir=str(tmp_path)).compute


def test_choices_alone_give_accuracy_and_f1(compute):
    result = compute(predictions=[0, 1, -1, 1], references=[0, 1, 0, 0])
    assert (result["n"], result["unparsed"], result["accuracy"]) == (4, 1, 0.5)
    assert result["accuracy_ci95"] == list(wilson_interval(2, 4))
    # F1 of position 0: 2 * 1 / (3 + 1); of position 1: 2 * 1 / (1 + 2)
    assert result["macro_f1"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert "nll" not in result


def test_probabilities_give_the_rest(compute):
    rows = [[0.7, 0.3], [0.2, 0.5, 0.3]]
    result = compute(predictions=[0, 1], references=[0, 2], probabilities=rows)
    assert result["nll"] == pytest.approx(-(math.log(0.7) + math.log(0.3)) / 2)
    assert result["mrr"] == pytest.approx((1 + 1 / 2) / 2)


def test_a_probability_of_zero_stays_a_number(compute):
    result = compute(predictions=[1], references=[0], probabilities=[[0.0, 1.0]])
    assert 700 < result["nll"] < 710
    assert result["brier"] == 2


def test_batches_are_added_up(tmp_path):
    metric = MultipleChoiceMetric(cache_dir=str(tmp_path))
    metric.add_batch(predictions=[0, 0], references=[0, 1])
    metric.add(prediction=1, reference=1)
    assert metric.compute()["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"predictions": [2], "references": [0], "probabilities": [[0.5, 0.5]]}, "a prediction"),
        ({"predictions": [-2], "references": [0]}, "a prediction"),
        ({"predictions": [0], "references": [2], "probabilities": [[0.5, 0.5]]}, "a reference"),
        ({"predictions": [0], "references": [-1]}, "a reference"),
        ({"predictions": [0], "references": [0], "probabilities": [[3.0, 1.0]]}, "normalised"),
        ({"predictions": [0], "references": [0], "probabilities": []}, "0 lists"),
    ],
)
def test_what_does_not_fit_is_refused(compute, given, message):
    with pytest.raises(ConfigError, match=message):
        compute(**given)
