import json

import numpy as np
import pytest

from mcqa.evaluation.answers import Answers
from mcqa.evaluation.bias import describe_positions
from mcqa.evaluation.metrics import wilson_interval


def chose(labels, choices):
    nothing = np.full((len(labels), 4), np.nan)
    ids = tuple(str(number) for number in range(len(labels)))
    return Answers(ids, np.array(labels), np.array(choices), nothing)


def test_recalls_and_choices_are_those_counted_by_hand():
    result = describe_positions(chose([0, 0, 0, 0, 1, 1, 3, 3], [0, 0, 0, 2, 0, 1, -1, -1]))
    positions = result["positions"]
    assert [p["gold"] for p in positions] == [4, 2, 0, 2]
    assert [p["chosen"] for p in positions] == [4, 1, 1, 0]
    assert [p["recall"] for p in positions] == [3 / 4, 1 / 2, None, 0.0]
    assert positions[0] == {
        "position": 0,
        "gold": 4,
        "chosen": 4,
        "chosen_share": 4 / 8,
        "chosen_ci95": list(wilson_interval(4, 8)),
        "recall": 3 / 4,
        "recall_ci95": list(wilson_interval(3, 4)),
    }
    assert positions[2]["recall_ci95"] is None
    assert (result["n"], result["unparsed"]) == (8, 2)
    # recalls 3/4, 1/2, 0: mean 5/12, squares of the distances 16/144, 1/144, 25/144
    assert result["rstd"]["value"] == pytest.approx((42 / 144 / 3) ** 0.5)
    assert result["rstd"]["n"] == 8
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_always_choosing_one_position_spreads_the_recalls_most():
    result = describe_positions(chose([0, 1, 2, 3] * 25, [0] * 100))
    assert result["rstd"]["value"] == pytest.approx(3**0.5 / 4)
    assert [p["recall"] for p in result["positions"]] == [1.0, 0.0, 0.0, 0.0]


def test_the_interval_of_an_unbiased_run_reaches_down_to_almost_nothing():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=400)
    choices = np.where(rng.random(400) < 0.6, labels, rng.integers(4, size=400))
    low, high = describe_positions(chose(labels, choices))["rstd"]["ci95"]
    assert low < 0.02 < high < 0.1


def test_bias_is_seen_where_the_distribution_of_choices_hides_it():
    # nine of ten answers are A: a run that prefers A chooses it as often as it should
    labels, choices = [0] * 90 + [1] * 10, [0] * 85 + [1] * 5 + [0] * 5 + [1] * 5
    result = describe_positions(chose(labels, choices))
    assert result["positions"][0]["chosen_share"] == 0.9
    assert result["rstd"]["ci95"][0] > 0.05
