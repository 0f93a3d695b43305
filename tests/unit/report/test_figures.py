import re

import pytest

from mcqa.report.drawing import COLORS
from mcqa.report.figures import draw_figures, subject_accuracies


def group(n, value):
    return {"metrics": {"accuracy": {"value": value, "n": n, "ci95": [0.1, 0.9]}}}


def run(name, **metrics):
    basic = {"accuracy": 0.5, "accuracy_ci95": [0.4, 0.6], "chance": 0.25, "n": 40}
    return {"name": name, "metrics": {**basic, "questions_per_second": None, **metrics}}


def position(number, recall=0.5):
    return {
        "position": number,
        "gold": 10,
        "chosen": 10,
        "chosen_share": 0.25,
        "chosen_ci95": [0.1, 0.4],
        "recall": recall,
        "recall_ci95": None if recall is None else [0.2, 0.8],
    }


FULL = {
    "questions_per_second": 10.0,
    "per_subject": {"Art": group(20, 0.5), "Law": group(20, 0.5)},
    "reliability": {"ece": [{"confidence": 0.6, "accuracy": 0.5, "ci95": [0.4, 0.6]}]},
    "risk_coverage": {"coverage": [0.5, 1.0], "risk": [0.1, 0.5]},
    "positions": {"positions": [position(0), position(1), position(2, None)]},
}


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode())


def test_only_what_there_is_is_drawn():
    assert list(draw_figures([run("a")])) == ["accuracy"]
    assert draw_figures([run("a", accuracy=None)]) == {}
    assert "cost" not in draw_figures([run("a", **FULL)])
    assert list(draw_figures([run("a", **FULL), run("b", **FULL)])) == [
        "accuracy",
        "subjects",
        "reliability",
        "risk-coverage",
        "positions",
        "cost",
    ]


def test_a_run_keeps_its_colour_where_another_is_missing():
    drawn = draw_figures([run("generate", questions_per_second=5.0), run("b", **FULL)])
    for name in ("subjects", "reliability", "risk-coverage", "positions"):
        svg = drawn[name].decode()
        assert COLORS[1] in svg
        assert COLORS[0] not in svg
        assert "generate" not in texts(drawn[name])


@pytest.mark.parametrize("name", ["$x_1$", "_hidden", r"\frac{"])
def test_names_are_drawn_as_they_are_written(name):
    subjects = {name: group(20, 0.5), "Law": group(20, 0.5)}
    full = {**FULL, "per_subject": subjects}
    drawn = draw_figures([run(name, **full), run("b", **full)])
    for figure in ("subjects", "reliability", "risk-coverage", "positions", "cost"):
        assert name in texts(drawn[figure])
    assert f"{name} (20)" in texts(drawn["subjects"])


def test_positions_are_named_by_their_letters():
    assert {"A", "B", "C"} <= set(texts(draw_figures([run("a", **FULL)])["positions"]))


def test_small_subjects_are_taken_together():
    groups = {"Law": group(20, 0.5), "Art": group(30, 0.9), "x": group(4, 0.25), "y": group(6, 0.5)}
    rows = subject_accuracies({"per_subject": groups})
    assert [(row["name"], row["n"]) for row in rows] == [
        ("Art", 30),
        ("Law", 20),
        ("2 smaller subjects", 10),
    ]
    assert rows[-1]["value"] == 0.4  # 1 of 4 and 3 of 6


def test_where_all_subjects_are_small_or_one_is_each_stands_alone():
    small = {"x": group(4, 0.25), "y": group(6, 0.5)}
    assert [r["name"] for r in subject_accuracies({"per_subject": small})] == ["y", "x"]
    one = {"Law": group(20, 0.5), "x": group(4, 0.25)}
    assert [r["name"] for r in subject_accuracies({"per_subject": one})] == ["Law", "x"]
    assert subject_accuracies({}) == []


def test_a_hundred_subjects_make_thirty_one_rows():
    rows = subject_accuracies({"per_subject": {str(k): group(20, 0.5) for k in range(100)}})
    assert len(rows) == 31
    assert (rows[-1]["name"], rows[-1]["n"]) == ("70 smaller subjects", 1400)


def test_speeds_far_apart_stand_on_a_logarithmic_axis():
    slow, fast = (run(n, questions_per_second=q) for n, q in (("a", 1.0), ("b", 500.0)))
    assert {"1", "10", "100"} <= set(texts(draw_figures([slow, fast])["cost"]))


def test_the_same_runs_give_the_same_plots():
    runs = [run("a", **FULL), run("b", **FULL)]
    assert draw_figures(runs) == draw_figures(runs)


def test_a_temperature_gets_a_panel_of_its_own():
    points = [{"confidence": 0.6, "accuracy": 0.5, "ci95": [0.4, 0.6]}]
    after = {"reliability": {"ece": points}}
    calibrated = {"calibration": {"temperature": 1.234, "after": after}}
    drawn = draw_figures([run("a", **FULL), run("b", **FULL, **calibrated)])["reliability"]
    names = [text for text in texts(drawn) if text[0] in "ab"]
    assert names == ["b", "b, T = 1.23", "a"]  # both of a run in one row
    unknown = {"calibration": {"temperature": None, "note": "why"}}
    assert "T =" not in str(texts(draw_figures([run("a", **FULL, **unknown)])["reliability"]))


def test_memory_has_a_panel_beside_speed_where_it_was_measured():
    runs = [run(name, questions_per_second=5.0, peak_memory_bytes=10**9) for name in "ab"]
    assert "memory while scoring in GB" in texts(draw_figures(runs)["cost"])
    runs[0]["metrics"]["peak_memory_bytes"] = None
    assert "memory while scoring in GB" not in texts(draw_figures(runs)["cost"])
