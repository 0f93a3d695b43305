"""What users get wrong: one message that says what, where and what to do, and no harm done.

docs/errors.md shows these cases. After changing them, write it anew:

    MCQA_WRITE_DOCS=1 python -m pytest tests/integration/test_bad_inputs.py -k documented
"""

import os
import re

import pytest
from bad_answers import ANSWERS
from bad_data import FILES, ROWS
from bad_exports import EXPORTS, GGUF_FILES
from bad_folders import MODELS, RUNS
from bad_inputs import Case, Place
from bad_passages import PASSAGES
from bad_settings import FLAGS, TRAINING
from bad_studies import STUDIES

SECTIONS = {
    "Files": FILES,
    "Rows": ROWS,
    "Passages": PASSAGES,
    "Flags": FLAGS,
    "Training settings": TRAINING,
    "Models": MODELS,
    "Runs and output folders": RUNS,
    "GGUF files": GGUF_FILES,
    "Exports": EXPORTS,
    "Predictions and evaluations": ANSWERS,
    "Studies": STUDIES,
}
CASES = [
    pytest.param(case, id=f"{name}: {case.wrong}") for name in SECTIONS for case in SECTIONS[name]
]
WORDS = re.compile(r"\b(FILE|MODEL|RUN|CONFIG|OUT)\b")


@pytest.fixture
def place(tmp_path, question_file, tiny_model_folder, runs, monkeypatch):
    return Place(tmp_path, question_file, tiny_model_folder, runs, monkeypatch)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pattern(message, words):
    """Return a regular expression of a message, with paths for words and anything for dots."""
    parts = [re.escape(WORDS.sub(lambda word: words[word[0]], p)) for p in message.split("…")]
    return ".*?".join(parts)


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_in_one_line_without_harm(refused, place, case: Case):
    case.make(place)
    before = files(place.folder)
    arguments = WORDS.sub(lambda word: place.words[word[0]], case.command).split()
    said = " ".join(refused(*arguments).split())
    assert re.fullmatch(pattern(case.message, place.words), said), said
    assert files(place.folder) == before


def rendered(section):
    """Return a section of docs/errors.md: a row per case."""

    def cell(text):
        return text.replace("|", "\\|")

    rows = (f"| {cell(case.wrong)} | ``{cell(case.message)}`` |" for case in SECTIONS[section])
    return "\n".join([f"## {section}", "", "| what is wrong | the message |", "|---|---|", *rows])


def test_every_case_is_documented(root):
    page = root / "docs" / "errors.md"
    introduction = page.read_text(encoding="utf-8").partition("\n## ")[0]
    expected = "\n\n".join([introduction.rstrip(), *map(rendered, SECTIONS)]) + "\n"
    if os.environ.get("MCQA_WRITE_DOCS"):
        page.write_text(expected, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == expected
    assert len(CASES) >= 60
