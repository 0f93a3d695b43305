import pytest

from mcqa.study.words import condition_name, crossings, verdict


def pair(value, ci95, p, *, compared=1, clusters=300, seeds=(3, 3)):
    found = {"value": value, "ci95": ci95, "p_holm": p, "compared": compared, "n_seeds": seeds}
    found |= {"n_questions": 300, "n_clusters": clusters}
    return {"a": "generative", "b": "head", "accuracy": found}


def test_a_difference_that_interval_and_test_show():
    assert verdict(pair(0.031, (0.01, 0.052), 0.012)) == (
        "generative answers 3.1 points more of the questions right than head (95% interval +1.0 to "
        "+5.2 points for new seeds and new questions, p = 0.012; 3 seeds each, 300 questions)."
    )


def test_the_better_one_is_named_first():
    told = verdict(pair(-0.031, (-0.052, -0.01), 0.012, clusters=40, seeds=(3, 5)))
    assert told.startswith("head answers 3.1 points more of the questions right than generative")
    assert "+1.0 to +5.2" in told
    assert told.endswith("3 and 5 seeds each, 300 questions in 40 groups).")
    rough = verdict(pair(-0.031, (-0.052, -0.01), 0.012, clusters=19))
    assert rough.endswith("300 questions in 19 groups, so few that it is rough).")


@pytest.mark.parametrize(
    ("ci95", "p"),
    [((-0.001, 0.063), 0.06), ((0.01, 0.052), 0.051)],  # the latter after a correction
)
def test_a_difference_that_either_does_not_show_is_not_claimed(ci95, p):
    told = verdict(pair(0.031, ci95, p, compared=3))
    assert told.startswith("No difference is shown: generative answers 3.1 points more")
    assert "which may be luck" in told
    assert "after Holm's correction for 3 comparisons" in told


def test_equal_arms_are_said_to_be_equal_in_these_runs():
    told = verdict(pair(0.0, (-0.02, 0.02), 1.0))
    assert "generative and head answer the same number of questions right" in told


def test_without_an_interval_nothing_is_claimed():
    told = verdict(
        {"a": "x", "b": "y", "accuracy": {"value": 0.2, "refused": "there is no reason"}}
    )
    assert told == (
        "Of the formulations nothing can be said: in these runs x answers 20.0 points more of the "
        "questions right than y, but there is no reason."
    )


def condition(size, a, b):
    arms = [{"name": name, "accuracy": {"value": value}} for name, value in (("a", a), ("b", b))]
    return {"size": size, "arms": arms}


def test_curves_cross_where_another_arm_is_ahead():
    curve = [condition(250, 0.3, 0.2), condition(500, 0.4, 0.4), condition(1000, 0.5, 0.6)]
    assert crossings(curve, "a", "b") == [(250, 1000)]
    assert crossings([*curve, condition(None, 0.7, 0.6)], "a", "b") == [(250, 1000), (1000, None)]
    assert crossings(curve[:2], "a", "b") == []


def test_a_condition_is_named_by_what_differs():
    here = {"data": "csqa", "model": "m", "size": 1500}
    assert condition_name(here, several_models=False) == "csqa, 1,500 training questions"
    here["size"] = None
    assert condition_name(here, several_models=True) == "csqa, all training questions, m"
