"""The published sets: a row of each shape, how it is told, and what is never guessed."""

import csv
import json

import pandas
import pytest
from sample_rows import (
    ARC,
    GENERIC,
    HELLASWAG,
    MEDMCQA,
    MEDQA,
    MMLU,
    PUBMEDQA,
    PUBMEDQA_RAW,
    RACE,
    SCIQ,
    SWAG,
)

from mcqa import Question
from mcqa.data import load_questions, open_questions
from mcqa.errors import ConfigError, DataError

# Each row, its format, and the question it is but for the id.
ROWS = {
    "mmlu": (
        MMLU,
        {
            "stem": "Capital of Peru?",
            "options": ("Quito", "Lima"),
            "label": 1,
            "subject": "geography",
        },
    ),
    "medqa": (
        MEDQA,
        {
            "stem": "Which vessel is torn?",
            "options": ("Basilar", "Middle meningeal", "Facial"),
            "label": 1,
        },
    ),
    "swag": (
        SWAG,
        {
            "stem": "He lifts the bow. He",
            "options": tuple(f"does thing {n}." for n in range(4)),
            "label": 2,
        },
    ),
    "hellaswag": (
        HELLASWAG,
        {
            "stem": "A man lifts a bow. he",
            "options": ("sings.", "shoots.", "sleeps.", "eats."),
            "label": 1,
            "subject": "Archery",
        },
    ),
    "race": (
        RACE,
        {
            "stem": "Ann keeps _ .",
            "options": ("cats", "bees", "dogs", "hens"),
            "label": 1,
            "context": "Ann keeps bees.",
        },
    ),
    "sciq": (
        SCIQ,
        {
            "stem": "What do plants make in light?",
            "options": ("iron", "salt", "sugar", "wax"),
            "label": 2,
            "context": "Leaves make sugar.",
        },
    ),
    "pubmedqa": (
        PUBMEDQA,
        {
            "stem": "Does it help?",
            "options": ("yes", "no", "maybe"),
            "label": 0,
            "context": "We tried.\nIt did.",
            "explanation": "It does help.",
        },
    ),
}


@pytest.fixture
def write(tmp_path):
    """Write rows as JSON lines and return the path."""

    def write(*rows):
        path = tmp_path / "set.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return path

    return write


def labels(path, **settings):
    return [question.label for question in load_questions(path, **settings)]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_told_by_its_fields_and_read(write, name):
    row, expected = ROWS[name]
    reader = open_questions(write(row))
    assert reader.format == name
    number = "21645374" if name == "pubmedqa" else "set-1"
    assert list(reader) == [Question(id=number, **expected)]
    assert list(open_questions(write(row), format=name)) == list(reader)


@pytest.mark.parametrize("name", ROWS)
def test_it_is_the_same_from_parquet(write, tmp_path, name):
    row = ROWS[name][0]
    pandas.DataFrame([row]).to_parquet(tmp_path / "set.parquet")
    assert load_questions(tmp_path / "set.parquet") == load_questions(write(row))


def test_commonsenseqa_and_openbookqa_are_names_of_the_arc_format(write):
    row = {"question": {"stem": "Why?", "choices": [{"label": "A", "text": "x"}]}}
    row["question"]["choices"].append({"label": "B", "text": "y"})
    path = write(row | {"answerKey": "B"})
    assert labels(path, format="commonsenseqa") == labels(path, format="openbookqa") == [1]


# MMLU


def mmlu_file(path, *lines):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return path


def test_the_release_of_mmlu_has_no_header_and_its_subject_in_the_name(tmp_path):
    lines = [["One?", "A", "B", "C", "D", "B"], ["Two, or 2?", "1", "2", "3", "4", "D"]]
    reader = open_questions(mmlu_file(tmp_path / "world_history_test.csv", *lines))
    assert reader.format == "mmlu"
    first, second = reader
    assert (first.options, first.label, first.subject) == (tuple("ABCD"), 1, "world_history")
    assert (second.id, second.stem, second.label) == ("world_history_test-2", "Two, or 2?", 3)


def test_a_csv_file_with_a_header_that_ends_in_d_is_no_mmlu(tmp_path):
    lines = [["id", "label", "question", "A", "B", "D"], ["q", "A", "Which?", "x", "y", "z"]]
    with pytest.raises(DataError, match=r"line 2: .*option columns are A, B, D"):
        load_questions(mmlu_file(tmp_path / "set.csv", *lines))


def test_a_first_line_that_mmlu_would_not_have_needs_the_format(tmp_path):
    path = mmlu_file(tmp_path / "a_dev.csv", ["One?", "w", "x", "y", "z", "E"], [*"123456"])
    with pytest.raises(DataError, match="no known format"):
        load_questions(path)
    with pytest.raises(DataError, match=r"line 1: 'answer' is 'E', .* no choice \(A, B, C, D\)"):
        load_questions(path, format="mmlu")


def test_generic_rows_of_which_only_some_have_a_subject_are_no_mmlu(write):
    plain = {"question": "Which?", "choices": ["x", "y"], "answer": "y"}
    reader = open_questions(write(MMLU, plain))
    assert reader.format == "generic"
    assert [question.label for question in reader] == [1, 1]


@pytest.mark.parametrize("answer", [2, -2, "C", True, 0.5, "AB"])
def test_an_answer_of_mmlu_that_is_no_option(write, answer):
    with pytest.raises(DataError, match="line 1: 'answer' is"):
        load_questions(write(MMLU | {"answer": answer}))


# The others


def test_medqa_from_a_list_of_keys_and_values(write):
    options = [{"key": mark, "value": text} for mark, text in MEDQA["options"].items()]
    assert load_questions(write(MEDQA | {"options": options})) == load_questions(write(MEDQA))


def test_medqa_answers_that_contradict_each_other(write):
    with pytest.raises(DataError, match="'answer_idx' means 'Facial', but 'answer' is 'Middle"):
        load_questions(write(MEDQA | {"answer_idx": "C"}))


def test_swag_without_a_start_phrase_joins_its_sentences(write):
    row = {name: value for name, value in SWAG.items() if name != "startphrase"}
    assert load_questions(write(row))[0].stem == "He lifts the bow. He"


@pytest.mark.parametrize(
    ("row", "field", "value"),
    [
        (SWAG, "label", -1),
        (HELLASWAG, "label", ""),
        (RACE, "answer", None),
        (PUBMEDQA, "final_decision", None),
        (MEDQA, "answer_idx", ""),
        (MMLU, "answer", None),
    ],
)
def test_hidden_answers_are_none(write, row, field, value):
    assert labels(write(row | {field: value})) == [None]


def test_sciq_places_its_answer_by_the_texts_alone(write):
    swapped = SCIQ | {"correct_answer": "salt", "distractor1": "sugar", "support": ""}
    first, second = load_questions(write(SCIQ, swapped))
    assert first.options == second.options
    assert (first.label, second.label, second.context) == (2, 1, None)
    with pytest.raises(DataError, match="'correct_answer' 'salt' is also a distractor"):
        load_questions(write(SCIQ | {"correct_answer": "salt"}))


def test_pubmedqa_raw_is_keyed_by_id_and_hides_its_long_answer(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"17208539": PUBMEDQA_RAW}))
    [question] = load_questions(path)
    assert (question.id, question.label) == ("17208539", 2)
    assert "does help" not in question.context
    assert question.explanation == "It does help."


@pytest.mark.parametrize(
    ("row", "field"),
    [(MEDMCQA, "exp"), (ARC, "fact1"), (GENERIC, "explanation")],
    ids=["medmcqa", "openbookqa", "generic"],
)
def test_what_gives_the_answer_away_is_the_explanation_and_never_the_context(write, row, field):
    [question] = load_questions(write(row | {field: "So it is."}))
    assert (question.explanation, question.context) == ("So it is.", row.get("context"))
    [question] = load_questions(write(row | {field: None}))
    assert question.explanation is None


def test_a_race_row_without_its_article_is_not_read_as_generic(write):
    row = {name: value for name, value in RACE.items() if name != "article"}
    with pytest.raises(DataError, match=r"line 1 is race, line 2 is generic.*--data-format"):
        load_questions(write(RACE, row))
    with pytest.raises(DataError, match="line 2: the field 'article' is missing"):
        load_questions(write(RACE, row), format="race")


@pytest.mark.parametrize(("row", "name"), [(RACE, "race"), (SCIQ, "sciq"), (MEDQA, "medqa")])
def test_formats_without_number_labels_take_no_label_base(write, row, name):
    with pytest.raises(ConfigError, match=f"no meaning for the {name} format: '.*' is"):
        load_questions(write(row), label_base=0)
