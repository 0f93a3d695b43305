import re
import xml.etree.ElementTree as ET

import pytest

from mcqa.report.drawing import inline
from mcqa.report.figures import draw_figures


def run(name, accuracy, interval, chance=0.25):
    return {
        "name": name,
        "metrics": {"accuracy": accuracy, "accuracy_ci95": interval, "chance": chance},
    }


RUNS = [run("generative", 0.5, [0.25, 0.75]), run("multiple_choice", 0.625, [0.375, 0.875])]


def drawn(*runs):
    return draw_figures(runs)["accuracy"].decode()


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_a_figure_names_every_run_and_its_accuracy():
    shown = texts(drawn(*RUNS))
    assert {"generative", "50.0%", "multiple_choice", "62.5%"} <= set(shown)
    assert "accuracy in %, with its 95% interval; dashed: chance" in shown


def test_whiskers_and_chance_are_drawn_to_the_axis():
    svg = drawn(RUNS[0])
    labels = re.findall(r'text-anchor: middle[^>]* x="([\d.]+)"[^>]*>(\d+)</text>', svg)
    ticks = {float(label): float(x) for x, label in labels}
    (left, x_left), (right, x_right) = min(ticks.items()), max(ticks.items())

    def percent(x):
        return left + (float(x) - x_left) * (right - left) / (x_right - x_left)

    whisker = re.search(r'd="M ([\d.]+) [\d.]+ \nL ([\d.]+) [^"]*"[^>]*stroke: #2f80c9', svg)
    assert [percent(x) for x in whisker.groups()] == pytest.approx([25, 75], abs=0.01)
    chance = re.search(r'd="M ([\d.]+) [^"]*"[^>]*stroke-dasharray', svg)
    assert percent(chance[1]) == pytest.approx(25, abs=0.01)


def test_without_a_known_chance_no_line_is_drawn_and_none_is_explained():
    svg = drawn(run("generate", 0.5, [0.25, 0.75], chance=None))
    assert "dasharray" not in svg
    assert "chance" not in svg


@pytest.mark.parametrize("name", ["$x_1$", "a $ b", r"\frac{", "<script>alert(1)</script>", "a&b"])
def test_a_name_is_drawn_as_it_is_written(name):
    svg = ET.fromstring(drawn(run(name, 0.5, [0.25, 0.75])))
    assert name in [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_a_long_name_keeps_its_ends():
    name = "first-" + 90 * "x" + "-last"
    (shown,) = (text for text in texts(drawn(run(name, 0.5, [0.2, 0.8]))) if "x" in text)
    assert shown.startswith("first-")
    assert shown.endswith("-last")
    assert "…" in shown
    assert len(shown) <= 45


def test_the_same_runs_give_the_same_bytes():
    assert drawn(*RUNS) == drawn(*RUNS)
    assert "<metadata" not in drawn(*RUNS)


def test_a_run_without_accuracy_is_left_out_and_none_at_all_has_no_plot():
    unlabelled = run("unlabelled", None, None, None)
    assert "unlabelled" not in drawn(*RUNS, unlabelled)
    assert draw_figures([unlabelled]) == {}


def test_the_inline_plot_takes_the_colour_of_the_page():
    svg = inline(draw_figures(RUNS)["accuracy"], "accuracy")
    assert "currentColor" in svg
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) == {"#2f80c9"}
