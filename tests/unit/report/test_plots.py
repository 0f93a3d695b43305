import re
import xml.etree.ElementTree as ET

import pytest

from mcqa.errors import ConfigError
from mcqa.report import accuracy_figure
from mcqa.report.drawing import inline
from mcqa.report.plots import draw_accuracies


def run(name, accuracy, interval, chance=0.25):
    return {
        "name": name,
        "metrics": {"accuracy": accuracy, "accuracy_ci95": interval, "chance": chance},
    }


RUNS = [run("generative", 0.5, [0.25, 0.75]), run("multiple_choice", 0.625, [0.375, 0.875])]


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_a_figure_names_every_run_and_its_accuracy():
    shown = texts(inline(draw_accuracies(RUNS), "accuracy"))
    assert {"generative", "50.0%", "multiple_choice", "62.5%"} <= set(shown)
    assert "accuracy in %, with its 95% interval; dashed: chance" in shown


def test_whiskers_and_chance_are_drawn_to_the_axis(tmp_path):
    svg = accuracy_figure(RUNS[:1], tmp_path / "figure.svg").read_text()
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
    svg = inline(draw_accuracies([run("generate", 0.5, [0.25, 0.75], chance=None)]), "accuracy")
    assert "dasharray" not in svg
    assert "chance" not in svg


@pytest.mark.parametrize("name", ["$x_1$", "a $ b", r"\frac{", "<script>alert(1)</script>", "a&b"])
def test_a_name_is_drawn_as_it_is_written(tmp_path, name):
    path = accuracy_figure([run(name, 0.5, [0.25, 0.75])], tmp_path / "figure.svg")
    drawn = [element.text for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]
    assert name in drawn


def test_a_long_name_keeps_its_ends():
    name = "first-" + 90 * "x" + "-last"
    (shown,) = [
        text
        for text in texts(inline(draw_accuracies([run(name, 0.5, [0.2, 0.8])]), "accuracy"))
        if "x" in text
    ]
    assert shown.startswith("first-")
    assert shown.endswith("-last")
    assert "…" in shown
    assert len(shown) <= 45


def test_the_same_runs_give_the_same_bytes(tmp_path):
    for suffix in ("svg", "png"):
        first = accuracy_figure(RUNS, tmp_path / f"a.{suffix}").read_bytes()
        assert accuracy_figure(RUNS, tmp_path / f"b.{suffix}").read_bytes() == first
    assert "<metadata" not in (tmp_path / "a.svg").read_text()


def test_a_figure_is_written_in_the_format_of_its_name(tmp_path):
    assert accuracy_figure(RUNS, tmp_path / "new" / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in accuracy_figure(RUNS, tmp_path / "a.SVG").read_text()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_another_format_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"a\.pdf: a figure's file name ends in \.svg or \.png"):
        accuracy_figure(RUNS, tmp_path / "a.pdf")


def test_a_run_without_accuracy_is_left_out_and_none_at_all_is_refused(tmp_path):
    unlabelled = run("unlabelled", None, None, None)
    assert "unlabelled" not in inline(draw_accuracies([*RUNS, unlabelled]), "accuracy")
    with pytest.raises(ConfigError, match="no run has an accuracy"):
        accuracy_figure([unlabelled], tmp_path / "a.svg")


def test_the_inline_plot_takes_the_colour_of_the_page():
    svg = inline(draw_accuracies(RUNS), "accuracy")
    assert "currentColor" in svg
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) == {"#2f80c9"}
