"""How long does the page take to its first answer, and among 10,000 questions to filter and open?

    python benchmarks/page.py --runs runs/demo

starts `mcqa page` on the demo's runs and waits in Chromium for their answers to the first question.
Without --runs it is the embedded model's. Then it writes an evaluation of synthetic questions that
two made-up runs answered, serves it likewise and uses it. A time is that from the click, or the
key, until the browser shows what was asked for. Exit code 1 where a median is above --most, or the
first answer came later than --first.

    python benchmarks/page.py --screenshots docs/page --runs runs/demo

takes the pictures of docs/page.md instead, of Ask and of Compare.
"""

import argparse
import random
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from browsing import browser, find_browser, serving, settled

from mcqa.evaluating.folder import (
    Evaluation,
    Record,
    Validation,
    write_answers,
    write_record,
)
from mcqa.evaluating.results import write_results
from mcqa.evaluation.metrics import summarize
from mcqa.prediction import Prediction
from mcqa.question import Question

WORDS = ("the", "of", "in", "which", "most", "cause", "disease", "nerve", "due", "common", "drug")
PATIENCE = 120_000  # milliseconds
SUBJECTS = [f"Subject {number}" for number in range(20)]
FILTERS = ("only A is right", "only B is right", "both are right", "neither is right")

OPEN = "() => [...document.querySelectorAll('p.mcqa-note')].at(-1)?.innerText"
COUNT = """() => [...document.querySelectorAll('p.mcqa-finding')]
  .map(e => e.innerText).find(text => /^[\\d,]+ of [\\d,]+ questions$/.test(text))"""
WATCH = """shown => {
  const read = eval(shown), before = read();
  let since = null;
  window.took = null;
  const begin = () => since ??= performance.now();
  for (const event of ['keydown', 'pointerdown'])
    document.addEventListener(event, begin, {capture: true, once: true});
  const observer = new MutationObserver(() => {
    const now = read();
    if (since === null || !now || now === before) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => window.took = performance.now() - since));
  });
  observer.observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


def main() -> int:
    """Measure, or take pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--most", type=float, default=0.3, help="seconds of a median")
    parser.add_argument("--first", type=float, default=10, help="seconds to the first answer")
    parser.add_argument("--screenshots", type=Path, help="folder to write pictures to")
    parser.add_argument("--runs", type=Path, help="a folder with runs and an evaluation")
    options = parser.parse_args()
    with browser(find_browser() or sys.exit("no Chromium is installed")) as running:
        if options.screenshots:
            return take_pictures(running, options.runs.resolve(), options.screenshots.resolve())
        slow = first_answer(running, options.runs and options.runs.resolve(), options.first)
        return measure(running, options) or slow


def first_answer(running, runs: Path | None, most: float) -> int:
    """Print how long it is from the command to the first answer, and return whether too long."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "runs").mkdir()
        if runs:
            (Path(place) / "runs" / "demo").symlink_to(runs)
        started = time.perf_counter()
        with serving(Path(place)) as address:
            served = time.perf_counter()
            page = running.new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(address)
            page.get_by_text(re.compile(r", [\d.]+% sure$")).first.wait_for()
            first = time.perf_counter()
            settled(page)
            last = time.perf_counter()
            page.close()
    print(
        f"first answer {first - started:.1f} s after the command, {first - served:.1f} s after the "
        f"page is served; all runs' {last - started:.1f} s after the command"
    )
    return int(first - started > most)


def measure(running, options: argparse.Namespace) -> int:
    """Print how long opening and filtering take, and return whether a target is missed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_evaluation(folder / "runs" / "large", options.questions)
        with serving(folder, "runs/large") as address:
            page = running.new_page(viewport={"width": 1400, "height": 1200})
            page.set_default_timeout(PATIENCE)
            page.goto(f"{address}/compare")
            page.get_by_text(f"{options.questions:,} of {options.questions:,}").wait_for()
            settled(page)
            opened = [open_next(page) for _ in range(options.times)]
            clicked = [click_row(page, at % 10) for at in range(1, options.times + 1)]
            filtered = [filter_by(page, FILTERS[at % 4]) for at in range(options.times)]
    missed = False
    for name, times in (("next", opened), ("click", clicked), ("filter", filtered)):
        median = statistics.median(times)
        missed |= median > 1000 * options.most
        print(
            f"{name:8}{median:7.0f} ms median of {len(times)} "
            f"({min(times):.0f} to {max(times):.0f}), {options.questions:,} questions"
        )
    return int(missed)


def open_next(page) -> float:
    """Return the milliseconds from the key N until another question is open."""
    return timed(page, OPEN, lambda: page.keyboard.press("n"))


def click_row(page, row: int) -> float:
    """Return the milliseconds from a click in the list until that question is open."""
    button = page.locator(f".st-key-row-{row} button")
    return timed(page, OPEN, lambda: button.click())


def filter_by(page, outcome: str) -> float:
    """Return the milliseconds from the choice of a filter until its count stands there."""
    page.get_by_role("combobox", name="Right").click()
    choice = page.get_by_role("option", name=outcome, exact=True)
    choice.wait_for()
    return timed(page, COUNT, lambda: choice.click())


def timed(page, shown: str, act) -> float:
    """Return the milliseconds from an act until what is shown has another text.

    The browser's own clock: from the event of the key or the mouse to the frame after the change.
    """
    page.evaluate(WATCH, shown)
    act()
    page.wait_for_function("() => window.took !== null")
    milliseconds = page.evaluate("() => window.took")
    settled(page)
    return milliseconds


def take_pictures(running, runs: Path, folder: Path) -> int:
    """Write Ask in a wide light window and Compare in a dark one."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "runs").mkdir()
        (Path(place) / "runs" / runs.name).symlink_to(runs)
        with serving(Path(place), f"runs/{runs.name}") as address:
            for part, scheme, height in (("ask", "light", 980), ("compare", "dark", 900)):
                size = {"width": 1400, "height": height}
                page = running.new_page(viewport=size, color_scheme=scheme)
                page.set_default_timeout(PATIENCE)
                page.goto(f"{address}/{part if part != 'ask' else ''}")
                page.get_by_role("heading", name=part.capitalize(), level=1).wait_for()
                page.locator(".mcqa-options").first.wait_for(timeout=120_000)
                settled(page)
                if part == "compare":
                    page.get_by_role("button", name="Next").wait_for()
                    questions = page.get_by_role("heading", name="Questions", exact=True)
                    questions.evaluate("element => element.scrollIntoView()")
                page.wait_for_timeout(1000)
                page.screenshot(path=folder / f"{part}.png")
    return 0


def write_evaluation(folder: Path, n: int) -> None:
    """Write an evaluation of n questions, which two runs answer by chance."""
    chance = random.Random(0)
    questions = [
        Question(
            id=f"q{number}",
            stem=" ".join(chance.choices(WORDS, k=14)) + f" {number}?",
            options=tuple(" ".join(chance.choices(WORDS, k=3)) + f" {at}" for at in range(4)),
            label=chance.randrange(4),
            subject=chance.choice(SUBJECTS),
        )
        for number in range(n)
    ]
    evaluations = []
    for name in ("first", "second"):
        answers = [answer(question, chance) for question in questions]
        metrics = summarize(answers, 100.0)
        held = "head", "cloze", answers, metrics, None, Validation([], "No temperature.")
        evaluations.append(Evaluation(name, folder / name, *held))
        write_answers(evaluations[-1])
    record = Record("Synthetic answers", {}, evaluations, questions)
    write_record(folder, record)
    write_results(folder, record)


def answer(question: Question, chance: random.Random) -> Prediction:
    """Return an answer that is right more often than not."""
    scores = [chance.gauss(1.5 * (place == question.label), 1) for place in range(4)]
    return Prediction.scored(question, scores, unit="logit", scorer="head", tokens=50)


if __name__ == "__main__":
    sys.exit(main())
