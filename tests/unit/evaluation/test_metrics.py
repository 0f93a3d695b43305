import json
import math
from dataclasses import replace

import pytest

from mcqa.errors import ConfigError
from mcqa.evaluation.metrics import summarize, wilson_interval
from mcqa.prediction import Prediction


def prediction(id, label, choice, options=4, tokens=10):
    scores = tuple(range(options)) if options else None
    return Prediction(
        id=id,
        label=label,
        choice=choice,
        scores=scores,
        probabilities=None,
        unit="nats" if options else None,
        scorer="text",
        tokens=tokens,
    )


@pytest.mark.parametrize("arguments", [(1, 0), (-1, 4), (5, 4), (0, -1)])
def test_wilson_interval_refuses_what_is_out_of_range(arguments):
    with pytest.raises(ConfigError, match="wilson_interval"):
        wilson_interval(*arguments)


def test_summary_of_a_scored_run():
    predictions = [
        prediction("a", 0, 0, options=4, tokens=10),
        prediction("b", 1, 0, options=2, tokens=30),
        prediction("c", 1, 1, options=4, tokens=20),
        prediction("d", 1, 1, options=4, tokens=20),
    ]
    summary = summarize(predictions, seconds=8)
    low, high = summary.pop("accuracy_ci95")
    # Wilson, by hand: centre (p + z²/2n) / (1 + z²/n), with p = 3/4, n = 4, z = 1.96.
    assert (low, high) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert summary == {
        "n": 4,
        "accuracy": 0.75,
        "chance": (0.25 * 3 + 0.5) / 4,
        "unparsed": 0,
        "ambiguous": 0,
        "unlabelled": 0,
        "truncated": 0,
        "tokens_per_question": 20.0,
        "seconds": 8,
        "questions_per_second": 0.5,
        "peak_memory_bytes": None,
    }


def test_summary_leaves_unlabelled_predictions_out_and_counts_them():
    summary = summarize([prediction("a", 0, 0), prediction("b", None, 0, options=2)], seconds=1)
    assert (summary["n"], summary["accuracy"], summary["unlabelled"]) == (1, 1.0, 1)
    assert summary["chance"] == 0.25
    assert summary["questions_per_second"] == 2.0


def test_summary_counts_questions_that_were_cut():
    cut = [replace(prediction("a", 0, 0), truncated=tokens) for tokens in (0, 1, 250)]
    assert summarize(cut)["truncated"] == 2


def test_summary_of_generation_counts_unparsed_as_wrong_and_knows_no_chance():
    generated = [prediction("a", 0, 0, options=0), prediction("b", 1, None, options=0)]
    summary = summarize(generated)
    assert (summary["accuracy"], summary["unparsed"], summary["chance"]) == (0.5, 1, None)
    assert summary["seconds"] is summary["questions_per_second"] is None


@pytest.mark.parametrize("predictions", [[], [prediction("a", None, 0)]])
def test_summary_without_any_label_has_no_accuracy(predictions):
    summary = summarize(predictions)
    assert summary["n"] == 0
    assert summary["accuracy"] is summary["accuracy_ci95"] is summary["chance"] is None
    assert summary["unlabelled"] == len(predictions)


def test_summary_is_plain_json():
    summary = summarize([prediction("a", 0, 0), prediction("b", 0, 1)], seconds=2.0)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert all(math.isfinite(value) for value in summary["accuracy_ci95"])
