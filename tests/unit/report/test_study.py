import pytest

from mcqa.report.curves import learning_curves
from mcqa.report.figures import as_svg
from mcqa.report.page import write_page
from mcqa.report.study import study_sections

COST = {"training_seconds": 90.0, "training_memory_bytes": 1.5e9, "scoring_seconds": 8.0}
UNKNOWN = COST | {"training_memory_bytes": None}


def arm(name, *, nll=True):
    loss = {"value": 1.25, "ci95": (1.2, 1.3), "per_seed": [1.2, 1.3, 1.25]}
    accuracy = {"value": 0.5, "ci95": (0.45, 0.55), "per_seed": [0.48, 0.5, 0.52]}
    return {"name": name, "seeds": [0, 1, 2], "accuracy": accuracy, "nll": loss if nll else None}


def condition(size=250, *, refused=False, nll=True):
    components = {"questions": 0.16, "seeds": 0.0004, "interaction": 0.25}
    found = {"value": 0.031, "ci95": (0.01, 0.052), "components": components, "n_seeds": (3, 3)}
    if refused:
        found = {"value": 0.031, "refused": "there are 2 seeds"}
    loss = {"value": -0.1, "ci95": (-0.2, 0.0)}
    pair = {"a": "g", "b": "h", "accuracy": found, "nll": loss if nll else None}
    pair |= {"questions_needed": {"1": None, "5": 1234}, "verdict": "g is better <by luck>."}
    return {
        "title": f"d, {size} training questions",
        "data": "d",
        "model": "m",
        "size": size,
        "after_temperature": nll,
        "arms": [arm("g", nll=nll), arm("h", nll=nll)],
        "differences": [pair],
        "costs": {"g": COST, "h": UNKNOWN},
    }


@pytest.fixture
def page(tmp_path):
    """Write a page of conditions and return its text."""

    def write(*conditions, kind="md"):
        cells = [{"name": "g-250-seed0", "accuracy": 0.48, "nll": None, "cost": UNKNOWN}]
        plots = {"learning-1": as_svg(learning_curves, conditions)}
        sections = study_sections(conditions, cells, {"learning-1": "d"}, ["They cross."], {})
        path = write_page(tmp_path / f"page.{kind}", title="T", sections=sections, plots=plots)
        return path.read_text()

    return write


def test_the_first_screen_says_which_how_sure_at_what_cost_and_how_far(page):
    first = page(condition()).partition("## ")[0]
    assert "d, 250 training questions: g is better &lt;by luck&gt;." in first
    assert "A training run took: g 1 min 30 s and 1.5 GB, h 1 min 30 s and –." in first
    assert "says nothing of others" in first
    assert "count training noise" in first


def test_components_are_standard_deviations_in_points(page):
    text = page(condition())
    assert (
        "g minus h | +3.1 (+1.0 to +5.2) | 40.0 | 2.0 | 50.0 | -0.100 (-0.200 to +0.000) |" in text
    )
    assert "g minus h | 3 | more seeds | 1,234 |" in text
    assert "They cross." in text
    assert "after a temperature, fitted" in text


def test_what_has_no_interval_is_in_no_table_of_intervals(page):
    text = page(condition(refused=True))
    assert "Where the uncertainty comes from" not in text
    assert "How many questions" not in text


def test_without_scores_there_is_no_loss(page):
    text = page(condition(nll=False))
    assert "| 2.0 | 50.0 | – |" in text
    assert "without a temperature" in text


def test_the_html_page_shows_the_curves(page):
    text = page(condition(250), condition(None), kind="html")
    assert "<svg" in text
    assert ">250<" in text
    assert ">all<" in text
    assert "accuracy in %" in text
    assert "NLL in nats" in text
    assert "<by luck>" not in text


def test_curves_of_one_size_can_be_drawn_and_are_the_same_bytes_each_time():
    drawn = [as_svg(learning_curves, [condition(nll=False)]) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert b"NLL" not in drawn[0]
