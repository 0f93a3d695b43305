"""What the report says about runs that were scored with the options in other orders."""

import pytest

from mcqa.report.orders import order_sections, order_sentence


def share(value):
    return {"value": value, "n": 50, "ci95": [value / 2, (1 + value) / 2]}


def run(name="letters", *, flips=10, listed=True, gain=None, **more):
    described = {
        "kind": "cyclic",
        "options_listed": listed,
        "seconds": 12.0,
        "resamples": 1000,
        "seed": 7,
        "n": 50,
        "answers": 200,
        "flips": flips,
        "flip_rate": share(flips / 50),
        "consistency": share(0.9),
        "accuracy": share(0.5),
        "accuracy_over_orders": share(0.4),
        "largest_score_change": 0.25,
        **more,
    }
    if gain:
        described["pride"] = {
            "sample": {"n": 3, "share": 0.05, "seed": 0},
            "priors": {"2": [0.75, 0.25]},
            "raw": share(0.5),
            "debiased": share(0.5 + gain["value"]),
            "averaged": share(0.6),
            "difference": gain,
        }
    return {"name": name, "metrics": {"permutations": described}}


def texts(sections):
    return [block.text for block in sections[0].blocks if block.kind == "text"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "letters answers 10 of 50 questions, 20.0% (10.0 to 60.0), differently in another"),
        ({"listed": False, "flips": 0}, "should not matter: it answers 0 of 50 questions"),
        ({"listed": False, "flips": 1}, "it reaches the answer by another way"),
    ],
)
def test_a_sentence_says_what_changed_and_whether_it_may(settings, said):
    made = run(**settings)
    assert said in order_sentence(made["name"], made["metrics"]["permutations"])


def test_what_is_not_known_is_a_dash():
    (section,) = order_sections([run(averaged_accuracy=share(0.6)), run("generated")])
    rows = {row[0]: row[1:] for row in section.blocks[2].rows}
    assert rows["Accuracy, averaged over orders"] == ["60.0% (30.0 to 80.0)", "–"]
    assert rows["Questions that flip"] == ["20.0% (10.0 to 60.0)"] * 2
    assert "Accuracy, PriDe" not in rows
    assert "(1,000 resamples, seed 7)" in texts([section])[-1]


@pytest.mark.parametrize(("low", "p", "clear"), [(0.02, 0.01, True), (-0.02, 0.3, False)])
def test_a_gain_of_pride_is_claimed_only_where_it_is_clear(low, p, clear):
    gain = {"value": 0.1, "n": 50, "ci95": [low, 0.2], "p_value": p}
    sections = order_sections([run(gain=gain), run("head", listed=False, flips=0)])
    (said,) = [text for text in texts(sections) if "estimated on 3 questions" in text]
    assert "60.0% right instead of 50.0%, +10.0" in said
    assert ("no clear difference" not in said) == clear
    table = next(block for block in sections[0].blocks if block.kind == "table")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["Prior of the letters, 2 options"] == ["A 75%, B 25%", "–"]


def test_without_other_orders_there_is_no_section():
    assert order_sections([{"name": "text", "metrics": {"n": 3}}]) == []
