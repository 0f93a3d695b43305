import json
import math

import numpy as np
import pytest

from mcqa.errors import ConfigError
from mcqa.evaluation.comparison import compare, compare_many, joint_test


def run(outcomes):
    """Return whether a run is right, question by question: where `outcomes` has a 1."""
    return np.array([outcome == "1" for outcome in outcomes])


def two_runs(both, a_only, b_only, neither):
    """Return two runs with these counts in their 2x2 table."""
    a = "1" * both + "1" * a_only + "0" * b_only + "0" * neither
    b = "1" * both + "0" * a_only + "1" * b_only + "0" * neither
    return run(a), run(b)


def compared(*counts, **settings):
    a, b = two_runs(*counts)
    return compare(a, b, ("generative", "multiple_choice"), **settings)


def test_a_comparison_holds_the_hand_computed_numbers():
    result = compared(4, 1, 9, 6)
    assert result["n"] == 20
    assert (result["a"]["name"], result["a"]["accuracy"]) == ("generative", 0.25)
    assert (result["b"]["name"], result["b"]["accuracy"]) == ("multiple_choice", 0.65)
    assert result["difference"] == pytest.approx(0.4)
    # Two-sided: 2 * (C(10, 0) + C(10, 1)) / 2**10.
    assert result["mcnemar"] == {"a_only": 1, "b_only": 9, "p_value": 22 / 1024}
    assert (result["seed"], result["resamples"]) == (0, 10_000)
    low, high = result["difference_ci95"]
    assert 0 < low < 0.4 < high < 1


def test_a_comparison_has_exactly_the_documented_keys_and_is_plain_json():
    result = compared(4, 1, 9, 6)
    assert list(result) == [
        "n",
        "a",
        "b",
        "difference",
        "difference_ci95",
        "mcnemar",
        "seed",
        "resamples",
        "verdict",
    ]
    assert result["a"].keys() == result["b"].keys() == {"name", "accuracy", "accuracy_ci95"}
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    assert compared(40, 20, 37, 3) == compared(40, 20, 37, 3)
    intervals = {
        tuple(compared(40, 20, 37, 3, seed=s, resamples=99)["difference_ci95"]) for s in range(5)
    }
    assert len(intervals) > 1


def test_swapping_the_runs_turns_the_difference_round():
    a, b = two_runs(4, 1, 9, 6)
    swapped = compare(b, a, ("b", "a"))
    assert swapped["difference"] == pytest.approx(-0.4)
    assert (swapped["mcnemar"]["a_only"], swapped["mcnemar"]["b_only"]) == (9, 1)
    assert swapped["mcnemar"]["p_value"] == 22 / 1024
    assert max(swapped["difference_ci95"]) < 0


def test_compare_many_takes_every_pair_in_order():
    runs = {"x": run("110"), "y": run("011"), "z": run("111")}
    results = compare_many(runs, seed=3, resamples=50)
    assert [(r["a"]["name"], r["b"]["name"]) for r in results] == [
        ("x", "y"),
        ("x", "z"),
        ("y", "z"),
    ]
    assert [r["difference"] for r in results] == pytest.approx([0, 1 / 3, 1 / 3])
    assert {(r["seed"], r["resamples"]) for r in results} == {(3, 50)}


def test_compare_many_of_one_run_is_empty():
    assert compare_many({"x": run("110")}) == []


def test_verdict_of_a_difference_that_is_shown():
    result = compared(140, 15, 40, 105)
    low, high = (100 * end for end in result["difference_ci95"])
    assert result["verdict"] == (
        "multiple_choice answers 8.3 points more of the questions right than generative "
        f"(n = 300, 95% interval {low:.1f} to {high:.1f} points, exact McNemar p = 0.00102)."
    )


def test_verdict_names_the_better_run_first_with_its_interval_turned_round():
    result = compared(100, 60, 10, 130)
    low, high = (-100 * end for end in reversed(result["difference_ci95"]))
    assert 0 < low < high
    assert result["verdict"] == (
        "generative answers 16.7 points more of the questions right than multiple_choice "
        f"(n = 300, 95% interval {low:.1f} to {high:.1f} points, exact McNemar p < 0.001)."
    )


def test_verdict_of_a_difference_that_may_be_luck():
    verdict = compared(50, 20, 24, 6)["verdict"]
    assert verdict.startswith(
        "No difference can be shown: on these questions, multiple_choice answers 4.0 points more "
        "of the questions right than generative, which may be luck (n = 100, 95% interval -"
    )
    assert verdict.endswith("exact McNemar p = 0.652).")


def test_verdict_of_equal_accuracies_that_differ_question_by_question():
    verdict = compared(50, 10, 10, 30)["verdict"]
    assert verdict.startswith(
        "No difference can be shown: on these questions, generative and multiple_choice answer "
        "the same number of questions right"
    )
    assert verdict.endswith("exact McNemar p = 1).")


def test_runs_that_never_differ_have_p_1_and_are_not_called_equal():
    result = compared(3, 0, 0, 2)
    assert result["mcnemar"]["p_value"] == 1.0
    assert (result["difference"], result["difference_ci95"]) == (0.0, [0.0, 0.0])
    assert result["verdict"] == (
        "No difference can be shown: generative and multiple_choice get the same questions right "
        "(n = 5, exact McNemar p = 1). That does not prove them equal on other questions."
    )


def test_verdict_claims_nothing_where_only_the_interval_leaves_zero_out():
    result = compared(10, 0, 5, 5)
    assert result["difference_ci95"][0] > 0
    assert result["mcnemar"]["p_value"] == 2 / 2**5
    assert result["verdict"].startswith(
        "No difference can be shown safely: multiple_choice answers"
    )
    assert "the interval leaves zero out but the test's p is not below 0.05" in result["verdict"]


def test_verdict_claims_nothing_where_only_the_test_is_below_its_limit():
    # So few resamples that the interval is a poor one: over all seeds it sometimes holds zero.
    results = [compared(40, 5, 16, 39, seed=seed, resamples=20) for seed in range(200)]
    wide = [result for result in results if result["difference_ci95"][0] <= 0]
    assert wide
    for result in wide:
        assert result["mcnemar"]["p_value"] < 0.05
        assert result["verdict"].startswith("No difference can be shown safely")
        assert "p is below 0.05 but the interval includes zero" in result["verdict"]


def test_no_resample_is_refused():
    with pytest.raises(ConfigError, match="resamples is 0"):
        compared(1, 1, 1, 1, resamples=0)


def test_verdict_does_not_round_a_small_difference_to_nothing():
    assert "multiple_choice answers 0.02 points more" in compared(4999, 0, 1, 0)["verdict"]


def test_the_primary_pair_comes_first_and_the_others_are_corrected_by_holm():
    # p-values by hand: 2 / 2**6 for x and y, 2 / 2**8 for x and z, 1 / 2 for y and z
    runs = {"x": run("0" * 8 + "1"), "y": run("1" * 6 + "001"), "z": run("1" * 9)}
    results = compare_many(runs)
    assert [r["mcnemar"]["p_value"] for r in results] == [2 / 2**6, 2 / 2**8, 1 / 2]
    assert (results[0]["primary"], "holm" in results[0]) == (True, False)
    assert [r["holm"] for r in results[1:]] == [
        {"comparisons": 2, "p_value": p} for p in (2 * 2 / 2**8, 1 / 2)
    ]
    first, second, third = (r["verdict"] for r in results)
    assert first.startswith("y answers 66.7 points more of the questions right than x (n = 9,")
    assert first.endswith("exact McNemar p = 0.0312).")
    assert second.startswith("z answers 88.9 points more of the questions right than x (n = 9,")
    assert "p = 0.0156 after Holm's correction for 2 comparisons" in second
    assert third.startswith("No difference can be shown")


def test_a_baseline_is_compared_with_each_other_run_alone():
    # six runs make 15 pairs, and five with a baseline
    runs = {name: np.random.default_rng(n).random(60) < 0.5 for n, name in enumerate("abcdef")}
    assert len(compare_many(runs, resamples=10)) == 15
    results = compare_many(runs, baseline="c", resamples=10)
    assert [(r["a"]["name"], r["b"]["name"]) for r in results] == [("c", x) for x in "abdef"]
    assert [r.get("primary", False) for r in results] == [True] + [False] * 4
    assert {r["holm"]["comparisons"] for r in results[1:]} == {4}
    with pytest.raises(ConfigError, match="baseline 'g' is none of the runs a, b, c"):
        compare_many(runs, baseline="g")


def test_a_single_pair_is_not_corrected():
    (result,) = compare_many({"x": run("110"), "y": run("011")})
    assert "holm" not in result
    assert result == compare(run("110"), run("011"), ("x", "y"))


def test_groups_take_the_place_of_questions():
    # 40 questions that only B gets right, but they are 4 facts: no evidence for B in general
    a, b = run("1" * 40 + "0" * 40), run("1" * 80)
    alone = compare(a, b, ("A", "B"))
    grouped = compare(a, b, ("A", "B"), cluster_N=np.arange(80) // 10)
    assert alone["verdict"].startswith("B answers 50.0 points more")
    assert grouped["verdict"].startswith("No difference can be shown safely: B answers 50.0 points")
    assert "(n = 80 in 8 groups, 95% interval " in grouped["verdict"]
    assert "permutation of groups p = 0.1" in grouped["verdict"]
    assert grouped["clusters"]["n"] == 8
    # of the 2**4 tosses of the four groups, two are as far from zero
    assert grouped["clusters"]["p_value"] == pytest.approx(2 / 2**4, abs=0.01)
    assert list(grouped) == [*list(alone)[:-1], "clusters", "verdict"]
    assert grouped["mcnemar"] == alone["mcnemar"]
    for side in ("a", "b"):
        assert grouped[side]["accuracy"] == alone[side]["accuracy"]
    low, high = grouped["a"]["accuracy_ci95"]
    assert high - low > 2 * (alone["a"]["accuracy_ci95"][1] - alone["a"]["accuracy_ci95"][0])
    assert json.loads(json.dumps(grouped, allow_nan=False)) == grouped


def test_groups_of_one_question_each_give_about_the_same_as_none():
    a, b = two_runs(140, 15, 40, 105)
    alone = compare(a, b, ("A", "B"))
    singles = compare(a, b, ("A", "B"), cluster_N=np.arange(300))
    assert singles["clusters"]["n"] == 300
    assert singles["difference_ci95"] == pytest.approx(alone["difference_ci95"], abs=0.005)
    assert singles["clusters"]["p_value"] == pytest.approx(alone["mcnemar"]["p_value"], abs=0.001)


def test_the_correction_goes_by_the_groups_test_where_there_are_groups():
    runs = {"x": run("0" * 12), "y": run("1" * 12), "z": run("110000000000")}
    results = compare_many(runs, cluster_N=np.arange(12) // 2)
    smallest = min(results[1:], key=lambda result: result["clusters"]["p_value"])
    assert smallest["holm"]["p_value"] == pytest.approx(2 * smallest["clusters"]["p_value"])


def test_several_runs_are_tested_together():
    runs = {"x": run("110100"), "y": run("111100"), "z": run("000100")}
    result = joint_test(runs)
    # right per run 3, 4, 1; per question 2, 2, 1, 3, 0, 0:
    # 3 * 2 * ((1/3)² + (4/3)² + (5/3)²) / (2*1 + 2*1 + 1*2)
    assert result == {
        "n": 6,
        "runs": ["x", "y", "z"],
        "q": pytest.approx(42 / 9),
        "degrees_of_freedom": 2,
        "p_value": pytest.approx(math.exp(-42 / 18)),
    }


def test_a_joint_test_of_one_run_is_refused():
    with pytest.raises(ConfigError, match="at least 2"):
        joint_test({"x": run("10")})
