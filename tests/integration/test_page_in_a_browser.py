"""The page in a real browser, on the tiny model: what a person does there, by mouse and keyboard.

Without a browser these tests are skipped; where MCQA_BROWSER is `required`, as in CI, they fail.
"""

import csv
import json
import os
import re
from urllib.parse import urlencode, urlsplit

import pytest
from browsing import FAINT, NONE, NOT_WIDER, browser, choose, find_browser, serving, settled
from playwright.sync_api import expect

from mcqa.page.asking import Draft

expect.set_options(timeout=90_000)
PARTS = ("ask", "compare", "train", "data")
WIDTHS, SCHEMES = (360, 1400), ("light", "dark")
HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script> **b** :smile: $e$'
QUESTION = Draft("Which of these is a fruit?", ("pear", "hammer", "saw"), right=("pear",))


@pytest.fixture(scope="module")
def chromium():
    path = find_browser()
    if path is None and os.environ.get("MCQA_BROWSER") == "required":
        pytest.fail(NONE)
    if path is None:
        pytest.skip(NONE)
    with browser(path) as running:
        yield running


@pytest.fixture(scope="module")
def folder(run_main, runs, question_file, tmp_path_factory):
    """A folder with an evaluation in `runs`, to be served."""
    folder = tmp_path_factory.mktemp("served")
    models = [word for run in runs.values() for word in ("--model", run)]
    output = folder / "runs" / "evaluation"
    assert run_main("evaluate", *models, "--data", question_file, "--output", output) == 0
    return folder


@pytest.fixture(scope="module")
def address(chromium, folder, runs):
    with serving(folder, *runs.values()) as address:
        yield address


@pytest.fixture(scope="module")
def context_of(chromium):
    """Give the browser's context of a colour scheme, one for all tests: it keeps what it loaded."""
    contexts = {}

    def get(scheme):
        if scheme not in contexts:
            contexts[scheme] = chromium.new_context(color_scheme=scheme)
        return contexts[scheme]

    yield get
    for context in contexts.values():
        context.close()


@pytest.fixture
def visit(context_of, address):
    """Open a part of the page; nothing may be asked of another host, nor a script of data run."""
    asked, pages = set(), []

    def go(part, query=None, *, width=1400, scheme="light"):
        page = context_of(scheme).new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": 900})
        page.set_default_timeout(120_000)  # a busy machine is slow
        page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
        place = "" if part == "ask" else part  # the first part is the page's own address
        page.goto(f"{address}/{place}?{urlencode(query or {}, doseq=True)}")
        page.get_by_role("heading", name=part.capitalize(), level=1).wait_for()
        settled(page)
        return page

    yield go
    for page in pages:
        page.close()
    assert asked - {None} <= {"127.0.0.1"}


def test_ask_and_shuffle(visit, runs):
    page = visit("ask", QUESTION.query())
    expect(page.get_by_text(re.compile(r"^(pear|hammer|saw), \d+\.\d% sure$"))).to_have_count(2)
    expect(page.locator(".mcqa-options li")).to_have_count(6)
    page.get_by_role("button", name="Shuffle").click()
    expect(page.get_by_text("No flip: the same is chosen in all 6 orders.")).to_have_count(2)
    page.get_by_label("Option B").fill("nail")
    page.get_by_label("Option B").press("Enter")
    expect(page.get_by_text("B. nail")).to_have_count(2)
    expect(page.get_by_text("No flip")).to_have_count(0)
    assert "option=nail" in page.url
    page.get_by_role("link", name="Data").click()
    page.get_by_role("heading", name="Data", level=1).wait_for()
    page.get_by_role("link", name="Ask").click()
    expect(page.get_by_label("Option B")).to_have_value("nail")
    expect(page.get_by_label("Question", exact=True)).to_have_value(QUESTION.stem)


def test_below_the_slider_it_abstains_by_keyboard(visit):
    page = visit("ask", QUESTION.query())
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    abstained = page.get_by_text(re.compile(r"^Abstains: its confidence of .* is below 100%\.$"))
    expect(abstained).to_have_count(2)
    page.keyboard.press("Home")
    expect(abstained).to_have_count(0)


def test_everything_of_ask_is_reached_by_the_tabulator(visit):
    page = visit("ask", QUESTION.query())
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => document.activeElement.getAttribute('aria-label') || "
                "document.activeElement.innerText"
            )
        )
    names = "\n".join(filter(None, reached))
    for name in ("Question", "Option A", "Add an option", "Context", "Shuffle", "Temperature"):
        assert name in names, names


def test_filter_step_and_export(visit, folder, tmp_path):
    page = visit("compare")
    expect(page.get_by_text("36 of 36 questions")).to_be_visible()
    page.get_by_label("Text").fill("grows on a tree")
    page.get_by_label("Text").press("Enter")
    expect(page.get_by_text("12 of 36 questions")).to_be_visible()
    choose(page, "Sorted by", "order of the file")
    expect(page.get_by_text("q2", exact=True)).to_be_visible()
    page.get_by_role("heading", name="Questions", exact=True).click()
    page.keyboard.press("n")
    expect(page.get_by_text("q5", exact=True)).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_text("q2", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="The selection as CSV").click()
    download.value.save_as(tmp_path / "selection.csv")
    with (tmp_path / "selection.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [f"q{number}" for number in range(2, 36, 3)]
    assert {row["generative correct"] for row in rows} <= {"0", "1"}


def test_a_broken_upload_is_said_in_a_red_box_and_not_kept(visit, folder, tmp_path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": "Which?", "options": ["a", "b"], "label": 0}\n{broken\n')
    archive, large = tmp_path / "set.zip", tmp_path / "large.jsonl"
    archive.write_bytes(b"PK\x03\x04")
    with large.open("wb") as file:
        file.truncate(200_000_000)
    page = visit("data")
    field = page.locator('input[type="file"]')
    box = page.get_by_role("alert")
    for path, said in (
        (broken, "bad rows (1): rows of broken.jsonl cannot be read"),
        (archive, "set.zip: files ending in '.zip' are not read"),
        (large, "large.jsonl: an upload of 200.0 MB"),
    ):
        field.set_input_files(path)
        expect(box.filter(has_text=said)).to_be_visible(timeout=120_000)
        red = box.first.evaluate("element => getComputedStyle(element).borderTopColor")
        assert red == "rgb(211, 35, 47)"
        expect(box.first).to_contain_text("Error:")
        if path is broken:
            expect(page.get_by_text("{broken", exact=True)).to_be_visible()
        settled(page)
        assert list((folder / "temporary").glob("mcqa-upload-*")) == []


def test_what_comes_from_data_is_text(visit, runs):
    page = visit("ask", Draft(HOSTILE, (HOSTILE, "saw"), HOSTILE).query())
    expect(page.locator(".mcqa-options").get_by_text(f"A. {HOSTILE}")).to_have_count(2)
    assert page.evaluate("() => window.hit") is None
    page.get_by_text("What the model sees").first.click()
    expect(page.get_by_text("Shared prefix")).to_be_visible()
    assert page.evaluate("() => window.hit") is None
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_part_is_readable(visit, part, scheme):
    page = visit(part, QUESTION.query() if part == "ask" else None, scheme=scheme)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(NOT_WIDER)
        assert page.evaluate(FAINT) == [], width


def test_twenty_steps_are_trained_through_a_reload(visit, folder, tiny_model_folder, question_file):
    page = visit("train")
    page.get_by_label("Model").fill(str(tiny_model_folder))
    page.get_by_label("Name of the run").fill("mine")
    page.locator('input[type="file"]').set_input_files(question_file)
    expect(page.get_by_text("questions.jsonl")).to_be_visible()
    expect(page.get_by_label("Or a path")).to_be_disabled()  # the upload has arrived
    page.get_by_label("Or steps").fill("20")
    page.get_by_label("Questions a step").fill("4")
    page.get_by_label("Report and save").fill("5")
    further = "device: cpu\nquantization: none\ndtype: float32\noptimizer: adamw_torch\nlora_r: 4"
    page.get_by_label("Further settings").fill(further)
    page.get_by_label("Further settings").press("Control+Enter")
    page.get_by_role("button", name="Check data and memory").click()
    expect(page.get_by_text("Memory, estimated at")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="runs/mine (running)")).to_be_visible()
    (upload,) = (folder / "temporary").glob("mcqa-upload-*/questions.jsonl")
    page.reload()
    expect(page.get_by_role("heading", name="runs/mine")).to_be_visible()
    expect(page.get_by_text("step 20 of 20")).to_be_visible(timeout=90_000)
    expect(page.get_by_role("heading", name="runs/mine (finished)")).to_be_visible(timeout=120_000)
    expect(page.get_by_text(re.compile(r"^loss \d"))).to_be_visible()
    assert json.loads((folder / "runs/mine/run.json").read_text())["steps"] == 20
    page.reload()
    expect(page.get_by_role("heading", name="runs/mine (finished)")).to_be_visible()
    assert not upload.exists()
    page = visit("ask", QUESTION.query())
    choose(page, "Runs and models", "runs/mine")
    page.keyboard.press("Escape")  # the open list hides the rest of the page
    expect(page.get_by_role("heading", name="runs/mine")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^(pear|hammer|saw), \d+\.\d% sure$"))).to_have_count(3)
