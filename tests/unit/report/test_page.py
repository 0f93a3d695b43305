import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mcqa.evaluating.analysis import compare_runs, describe
from mcqa.evaluation.comparison import compare_many
from mcqa.evaluation.metrics import summarize
from mcqa.evaluation.pairing import align
from mcqa.prediction import Prediction
from mcqa.report.page import escape_markdown, write_report

COST = {
    "trainable_parameters": 4_884_480,
    "training_seconds": 123.4,
    "training_memory_bytes": 1_500_000_000,
    "adapter_bytes": 19_577_344,
}


def predictions(outcomes, label=0, options=5):
    return [
        Prediction(
            id=f"q{number}",
            label=label,
            choice=0 if right == "1" else 1 if right == "0" else None,
            scores=(0.0,) * options if options else None,
            probabilities=None,
            unit=None,
            scorer="text",
            tokens=10,
        )
        for number, right in enumerate(outcomes)
    ]


ANSWERS = {
    "generative": predictions("1" * 40 + "1" * 10 + "0" * 30 + "0" * 20),
    "multiple_choice": predictions("1" * 40 + "0" * 10 + "1" * 30 + "0" * 20),
}


def described(answers, cost=COST, scorer="text"):
    return [
        {
            "name": name,
            "scorer": scorer,
            "template": "plain",
            "metrics": summarize(answer, seconds=8, peak_memory_bytes=700_000_000),
            "cost": cost,
        }
        for name, answer in answers.items()
    ]


def compared(answers):
    if len(answers) < 2:
        return []
    return compare_many({name: run.correct for name, run in align(answers).items()})


def write(
    path, answers=ANSWERS, *, title="A title", details=None, comparisons=None, **described_as
):
    return write_report(
        path,
        title=title,
        runs=described(answers, **described_as),
        comparisons=compared(answers) if comparisons is None else comparisons,
        details={"Seed": "0"} if details is None else details,
    )


class Page(HTMLParser):
    """Collect a page's tags, its attributes, its tables and the text outside the plot."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.tables, self.texts = [], [], [], []
        self.open = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend(attrs)
        if tag not in ("meta", "link", "img", "path", "use", "rect", "br"):
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"unbalanced {tag}"

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data
        if not {"style", "svg"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def test_the_page_is_well_formed_and_holds_title_verdict_and_details(tmp_path):
    path = write(tmp_path / "out" / "report.html", details={"Seed": "0", "Command": "mcqa compare"})
    assert path == tmp_path / "out" / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    verdict = compared(ANSWERS)[0]["verdict"]
    assert verdict.startswith("multiple_choice answers 20.0 points more")
    assert page.text.index("A title") < page.text.index(verdict) < page.text.index("Accuracy (95%")
    assert page.text.index("Accuracy (95%") < page.text.index("Command mcqa compare")
    assert page.tags.count("svg") == 2  # accuracy and cost


def test_the_table_tells_accuracy_speed_and_cost(tmp_path):
    answers = {"base": ANSWERS["generative"]}
    page = Page(write(tmp_path / "report.html", answers).read_text())
    # Wilson for 50 of 100: 0.5 ± 0.0962; 100 questions in 8 s.
    assert page.tables[0] == [
        ["Run", "base"],
        ["Accuracy (95% interval)", "50.0% (40.4 to 59.6)"],
        ["Questions per second", "12.5"],
        ["Memory while scoring", "700.0 MB"],
        ["Trainable parameters", "4.9 M"],
        ["Training time", "2 min 3 s"],
        ["Memory while training", "1.5 GB"],
        ["Adapter size", "19.6 MB"],
        ["Scorer", "text"],
        ["Template", "plain"],
        ["Questions", "100"],
    ]


def test_a_run_that_trained_nothing_shows_dashes(tmp_path):
    page = Page(write(tmp_path / "report.html", cost=None).read_text())
    cells = {row[0]: row[1:] for row in page.tables[0]}
    for heading in ("Trainable parameters", "Training time", "Memory while training"):
        assert cells[heading] == ["–", "–"]


def test_each_comparison_shows_its_four_counts(tmp_path):
    page = Page(write(tmp_path / "report.html").read_text())
    assert page.tables[1] == [
        ["", "multiple_choice right", "multiple_choice wrong"],
        ["generative right", "40", "10"],
        ["generative wrong", "30", "20"],
    ]
    assert "10,000 resamples, seed 0" in page.text
    assert "corrected" not in page.text


def test_several_comparisons_are_all_told_with_a_warning(tmp_path):
    answers = {**ANSWERS, "third": ANSWERS["generative"]}
    page = Page(write(tmp_path / "report.html", answers).read_text())
    for comparison in compared(answers):
        assert comparison["verdict"] in page.text
    assert len(page.tables) == 4
    assert "the other 2 are corrected for their number by Holm's method" in page.text


def test_unparsed_and_unlabelled_answers_are_shown_only_where_there_are_some(tmp_path):
    page = Page(write(tmp_path / "report.html").read_text())
    assert "not parsed" not in page.text
    answers = {"generate": predictions("1?0", options=0) + predictions("1", label=None)}
    page = Page(write(tmp_path / "report.html", answers).read_text())
    assert page.tables[0][-2:] == [["Answers not parsed", "1"], ["Without label", "1"]]


def test_a_single_run_is_told_by_its_accuracy(tmp_path):
    answers = {"base": ANSWERS["generative"]}
    page = Page(write(tmp_path / "report.html", answers).read_text())
    assert "base answers 50.0% (40.4 to 59.6) of 100 questions right." in page.text
    assert len(page.tables) == 1


def test_a_run_without_labels_has_a_page_without_plot(tmp_path):
    answers = {"base": predictions("10", label=None)}
    page = Page(write(tmp_path / "report.html", answers).read_text())
    assert "base answered no labelled question, so its accuracy is not known." in page.text
    assert "svg" not in page.tags


HOSTILE = '<script>alert("1")</script>&amp;'


@pytest.mark.parametrize("where", ["title", "name", "scorer", "details", "detail label", "verdict"])
def test_every_text_is_escaped(tmp_path, where):
    answers = {
        HOSTILE if where == "name" else "a": ANSWERS["generative"],
        "b": predictions("1" * 100),
    }
    comparisons = compared(answers)
    if where == "verdict":
        comparisons[0]["verdict"] = HOSTILE
    page = Page(
        write(
            tmp_path / "report.html",
            answers,
            title=HOSTILE if where == "title" else "A title",
            scorer=HOSTILE if where == "scorer" else "text",
            details={
                HOSTILE if where == "detail label" else "Model": (
                    HOSTILE if where == "details" else "smol"
                )
            },
            comparisons=comparisons,
        ).read_text()
    )
    assert "script" not in page.tags
    assert HOSTILE in page.text


def test_the_page_is_self_contained(tmp_path):
    html = write(tmp_path / "report.html").read_text()
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "image"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "xlink:href", "src"):
            assert value.startswith("#")
    assert "http" not in html
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))


def test_the_page_is_made_for_phones_dark_screens_and_paper(tmp_path):
    html = write(tmp_path / "report.html").read_text()
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "@media screen and (prefers-color-scheme: dark)" in html
    assert "@media print" in html


def test_the_same_runs_give_the_same_page_and_no_other_file_is_left(tmp_path):
    first = write(tmp_path / "report.html").read_bytes()
    assert write(tmp_path / "report.html").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_that_cannot_be_made_leaves_the_old_one(tmp_path):
    path = write(tmp_path / "report.html")
    before = path.read_bytes()
    with pytest.raises(KeyError):
        write_report(path, title="x", runs=[{"name": "broken"}], comparisons=[], details={})
    assert path.read_bytes() == before


GROUP = {"n": 50, "metrics": {"accuracy": {"value": 0.5, "n": 50, "ci95": [0.37, 0.63]}}}
EXAMPLES = {
    "a_only": [{"id": "q", "context": None, "stem": "Why?", "answer": "so", "chosen": None}],
    "b_only": [{"id": "r", "context": "It is.", "stem": "How?", "answer": "thus", "chosen": "no"}],
}
SHARES = (0.7, 0.2, 0.1)
SCORES = tuple(map(math.log, SHARES))


def further(answers=ANSWERS, **changes):
    """Return runs and comparisons as an evaluation makes them, with `changes` to the metrics."""
    scored = {
        name: [replace(p, scores=SCORES, probabilities=SHARES) for p in run]
        for name, run in answers.items()
    }
    runs = described(scored)
    for run, predictions in zip(runs, scored.values(), strict=True):
        run["metrics"] = describe(predictions, [], 8.0) | changes
    return runs, compare_runs(align(scored))


def write_further(path, examples=(EXAMPLES,), title="A title", **changes):
    runs, comparisons = further(**changes)
    return write_report(
        path,
        title=title,
        runs=runs,
        comparisons=comparisons,
        details={"Seed": "0"},
        examples=examples,
    )


def test_a_described_evaluation_has_all_plots_and_tables(tmp_path):
    groups = {"Art": GROUP, "Law": GROUP}
    page = Page(write_further(tmp_path / "report.html", per_subject=groups).read_text())
    assert page.tags.count("svg") == 6
    assert page.open == []
    headings = ["Accuracy per subject", "Is a run as sure", "Further metrics", "metric by metric"]
    places = [page.text.index(heading) for heading in headings]
    assert places == sorted(places)
    metrics = {row[0]: row[1:] for row in page.tables[1]}
    # the gold option has 0.7 throughout, whatever was chosen: 0.3² + 0.2² + 0.1²
    assert metrics["Right option among the two likeliest"][0].startswith("100.0%")
    assert metrics["Brier score ↓"][0] == "0.140 (0.140 to 0.140)"
    (side_by_side,) = (table for table in page.tables if "p" in table[0])
    differences = {row[0]: row[1:] for row in side_by_side}
    assert differences["Accuracy"][:2] == ["50.0%", "70.0%"]
    assert differences["Accuracy"][2].startswith("+20.0 (+")
    assert "at least one of the two is right for 80.0%" in page.text


def test_questions_that_one_run_gets_right_are_told(tmp_path):
    page = Page(write_further(tmp_path / "report.html").read_text())
    assert "Only generative is right: 1 of 10 Why? ✓ so ✗ no answer could be read" in page.text
    assert "Only multiple_choice is right: 1 of 30 It is. How? ✓ thus ✗ no" in page.text
    assert "Why?" not in write_further(tmp_path / "report.html", examples=()).read_text()


def test_a_long_page_is_self_contained_and_its_plots_do_not_share_ids(tmp_path):
    html = write_further(tmp_path / "report.html", per_subject={"A": GROUP, "B": GROUP}).read_text()
    assert "http" not in html
    assert "<script" not in html
    ids = re.findall(r'\sid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]*)"', html) + re.findall(r"url\(#([^)]*)\)", html):
        assert target in ids


def test_texts_of_questions_and_subjects_are_escaped(tmp_path):
    example = {"id": "q", "context": HOSTILE, "stem": HOSTILE, "answer": HOSTILE, "chosen": HOSTILE}
    html = write_further(
        tmp_path / "report.html",
        examples=({"a_only": [example], "b_only": []},),
        per_subject={HOSTILE: GROUP, "B": GROUP},
    ).read_text()
    page = Page(html)
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) == 4


def test_markdown_says_the_same_and_has_its_plots_beside_it(tmp_path):
    text = write_further(tmp_path / "report.md").read_text()
    page = Page(write_further(tmp_path / "report.html").read_text())
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert "Further metrics" in headings
    assert len(headings) == page.tags.count("h2")
    pictures = re.findall(r"^!\[.*\]\((.*)\)$", text, re.MULTILINE)
    assert {*pictures} == {f"plots/{path.name}" for path in (tmp_path / "plots").iterdir()}
    assert "| Accuracy (95% interval) | 50.0% (40.4 to 59.6) |" in text
    assert "- Why?\n  ✓ so ✗ no answer could be read\n" in text
    blocks = text.split("\n\n")
    assert all(len({line.count(" |") for line in b.splitlines()[::2]}) == 1 for b in blocks)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<b>&", "&lt;b&gt;&amp;"),
        ("a|b", r"a\|b"),
        ("![x](y)", r"!\[x\](y)"),
        ("one\n\n# two", r"one \# two"),
        ("- a", "&#45; a"),
        ("1. a", "1&#46; a"),
        ("-1.5 (-2 to 0)", "-1.5 (-2 to 0)"),
        ("54.1%", "54.1%"),
        ("---", "&#45;--"),
    ],
)
def test_markdown_shows_a_text_as_it_is(text, escaped):
    assert escape_markdown(text) == escaped


def test_a_hostile_title_does_not_get_into_the_markdown(tmp_path):
    text = write_further(tmp_path / "report.md", title=f"{HOSTILE}\n# x").read_text()
    assert "<script" not in text
    assert text.startswith("# &lt;script")
    assert "\n# x" not in text


def calibration(**changes):
    def metric(value):
        return {"value": value, "n": 100, "ci95": [value - 0.1, value + 0.1], "interval": "basic"}

    def side(shift):
        values = {"nll": 1.5, "brier": 0.75, "ece": 0.25, "ece_equal_mass": 0.25}
        values |= {"ece_debiased": 0.25}
        metrics = {name: metric(value + shift) for name, value in values.items()}
        points = [{"confidence": 0.6, "accuracy": 0.5, "ci95": [0.4, 0.6]}]
        return {**metrics, "reliability": {"ece": points, "ece_equal_mass": points}}

    fitted = {"n": 30, "at_bound": False}
    known = {"temperature": 2.5, "note": "30 questions", "fitted": fitted, "n": 100}
    return {**known, "before": side(0.0), "after": side(-0.125), **changes}


def test_calibration_is_told_before_and_after_a_temperature(tmp_path):
    path = write_further(tmp_path / "report.html", calibration=calibration())
    page = Page(path.read_text())
    table = next(table for table in page.tables if table[0][0] == "Calibration")
    cells = {row[0]: row[1] for row in table}
    assert (cells["Temperature"], cells["Fitted on"]) == ("2.5", "30 questions")
    assert cells["Negative log-likelihood, nats ↓, before"] == "1.500 (1.400 to 1.600)"
    assert cells["Negative log-likelihood, nats ↓, after"] == "1.375 (1.275 to 1.475)"
    assert cells["Calibration error (ECE) ↓, after"] == "0.125 (0.025 to 0.225)"
    assert "bound" not in page.text
    bound = calibration(fitted={"n": 30, "at_bound": True})
    page = Page(write_further(tmp_path / "report.html", calibration=bound).read_text())
    assert "At a bound no temperature in reach fits best" in page.text


def test_a_run_without_temperature_says_so_in_a_line(tmp_path):
    unknown = {"temperature": None, "note": "No temperature is known. Give --validation-data."}
    page = Page(write_further(tmp_path / "report.html", calibration=unknown).read_text())
    assert "generative: No temperature is known. Give --validation-data." in page.text
    assert not any(table[0][0] == "Calibration" for table in page.tables)


def test_a_stacked_combination_is_told_with_its_evidence(tmp_path):
    runs, (comparison,) = further()
    comparison["together"]["stacked"] = {
        "weight_a": 0.5,
        "weight_b": 1.25,
        "value": 0.8,
        "n": 100,
        "ci95": [0.7, 0.9],
        "n_validation": 30,
        "against_better": {"verdict": "stacked answers 10.0 points more (p = 0.01)."},
    }
    path = tmp_path / "report.html"
    told = {"title": "x", "runs": runs, "details": {}}
    page = Page(write_report(path, comparisons=[comparison], **told).read_text())
    assert (
        "weighted by 0.50 (generative) and 1.25 (multiple_choice) as fitted on 30 validation "
        "questions, they are right for 80.0% (70.0 to 90.0). Against the better of the two on "
        "these questions: stacked answers 10.0 points more (p = 0.01)." in page.text
    )
    comparison["together"]["stacked"] = None
    page = Page(write_report(path, comparisons=[comparison], **told).read_text())
    assert "A stacked combination is not known" in page.text
