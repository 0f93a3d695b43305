"""Each format and label form, and that every malformed row is an error that says what to do."""

import csv
import json
import re

import pandas
import pytest

from mcqa import Question
from mcqa.data import load_questions
from mcqa.errors import ConfigError, DataError


def medmcqa(cop, **fields):
    options = {"opa": "Liver", "opb": " Heart ", "opc": "Lung", "opd": "Skin"}
    return {"question": "Largest organ?", **options, "cop": cop, **fields}


def generic(label, options=("red", "green", "blue"), **fields):
    return {"question": "Which?", "options": list(options), "label": label, **fields}


def arc(key, labels="ABC", **fields):
    texts = ["x", "y", "z"][: len(labels)]
    choices = [{"label": mark, "text": text} for mark, text in zip(labels, texts, strict=True)]
    return {"id": "q", "question": {"stem": "Why?", "choices": choices}, "answerKey": key, **fields}


@pytest.fixture
def load(tmp_path):
    """Load rows written as `set.jsonl`."""

    def load(*rows, **settings):
        path = tmp_path / "set.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return load_questions(path, **settings)

    return load


@pytest.fixture
def load_csv(tmp_path):
    """Load a header and rows written as `set.csv`."""

    def load(*lines, **settings):
        path = tmp_path / "set.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)
        return load_questions(path, **settings)

    return load


def labels(questions):
    return [question.label for question in questions]


# MedMCQA


def test_medmcqa_row(load):
    row = medmcqa(0, id="m1", subject_name="Anatomy", exp="It is the liver.", topic_name="T")
    assert load(row) == [
        Question(
            id="m1",
            stem="Largest organ?",
            options=("Liver", "Heart", "Lung", "Skin"),
            label=0,
            subject="Anatomy",
            explanation="It is the liver.",
        )
    ]


def test_medmcqa_explanation_is_no_context(load):
    assert load(medmcqa(0, exp="It is the skin."))[0].context is None


def test_medmcqa_a_zero_anywhere_means_base_0(load):
    assert labels(load(medmcqa(3), medmcqa(1), medmcqa(0))) == [3, 1, 0]


def test_medmcqa_a_four_anywhere_means_base_1(load):
    assert labels(load(medmcqa(3), medmcqa(1), medmcqa(4))) == [2, 0, 3]


@pytest.mark.parametrize("hidden", [-1, None, "", "-1", -1.0, float("nan")])
def test_medmcqa_hidden_labels_are_none(load, hidden):
    assert labels(load(medmcqa(hidden), medmcqa(4))) == [None, 3]


def test_medmcqa_without_any_label_is_not_ambiguous(load):
    row = medmcqa(None)
    del row["cop"]
    assert labels(load(medmcqa(-1), row)) == [None, None]


def test_medmcqa_ambiguous_labels_ask_for_the_base(load):
    rows = [medmcqa(-1), medmcqa(2), medmcqa(3)]
    with pytest.raises(DataError, match=r"line 2: ambiguous.* 2, 3;.*--label-base 0.*--label-base"):
        load(*rows)
    assert labels(load(*rows, label_base=0)) == [None, 2, 3]
    assert labels(load(*rows, label_base=1)) == [None, 1, 2]


def test_medmcqa_contradicting_labels_name_both_lines(load):
    with pytest.raises(DataError, match=r"line 3: 'cop' is 0.* on .*line 2 it is 4"):
        load(medmcqa(1), medmcqa(4), medmcqa(0))


@pytest.mark.parametrize(
    ("cop", "base", "message"),
    [
        (4, 0, "line 2: 'cop' is 4, but with label base 0 .* 0 to 3.*--label-base 1"),
        (0, 1, "line 2: 'cop' is 0, but with label base 1 .* 1 to 4.*--label-base 0"),
    ],
)
def test_medmcqa_label_outside_the_given_base(load, cop, base, message):
    with pytest.raises(DataError, match=message):
        load(medmcqa(2), medmcqa(cop), label_base=base)


@pytest.mark.parametrize("cop", ["B", 5, -2, 1.5, True, [1]])
def test_medmcqa_label_of_another_kind(load, cop):
    with pytest.raises(DataError, match=rf"line 2: 'cop' is {re.escape(repr(cop))}; expected"):
        load(medmcqa(0), medmcqa(cop))


def test_medmcqa_from_csv_and_parquet(load_csv, tmp_path):
    rows = [medmcqa(1, opa="7"), medmcqa(4, opa="8"), medmcqa(None, opa="NA")]
    cells = [["" if value is None else value for value in row.values()] for row in rows]
    from_csv = load_csv(list(rows[0]), *cells)
    frame = pandas.DataFrame(rows)
    assert frame["cop"].dtype == float
    frame.to_parquet(tmp_path / "set.parquet")
    assert from_csv == load_questions(tmp_path / "set.parquet")
    assert [(q.label, q.options[0]) for q in from_csv] == [(0, "7"), (3, "8"), (None, "NA")]


def test_medmcqa_csv_with_labels_written_as_floats(load_csv):
    fields = list(medmcqa(1))
    rows = [list(medmcqa(cop).values()) for cop in ("1.0", "4.0", "")]
    assert labels(load_csv(fields, *rows)) == [0, 3, None]


def test_options_that_are_numbers_become_texts(load):
    assert load(medmcqa(0, opa=12, opb=0.5))[0].options == ("12", "0.5", "Lung", "Skin")


# ARC


def test_arc_raw_row(load):
    expected = Question(id="q", stem="Why?", options=("x", "y", "z"), label=1)
    assert load(arc("B")) == [expected]


@pytest.mark.parametrize("name", ["question", "question_stem"])
def test_arc_hub_row(load, name):
    choices = {"label": ["A", "B"], "text": ["x", "y"]}
    row = {"id": "q", name: "Why?", "choices": choices, "answerKey": "B"}
    assert load(row) == [Question(id="q", stem="Why?", options=("x", "y"), label=1)]


def test_arc_hub_row_from_parquet(tmp_path):
    row = {"id": "q", "question": "Why?", "answerKey": "2"}
    row["choices"] = {"label": ["1", "2"], "text": ["x", "y"]}
    pandas.DataFrame([row]).to_parquet(tmp_path / "set.parquet")
    assert labels(load_questions(tmp_path / "set.parquet")) == [1]


def test_arc_numbered_choices(load):
    assert labels(load(arc("3", "123"), arc(1, "123", id="r"))) == [2, 0]


@pytest.mark.parametrize("key", ["", None])
def test_arc_without_a_key(load, key):
    assert labels(load(arc(key))) == [None]


def test_arc_without_the_field_of_the_key(load):
    row = arc("A")
    del row["answerKey"]
    assert labels(load(row)) == [None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answerKey": "D"}, r"'answerKey' is 'D', which is the label of no choice \(A, B, C\)"),
        ({"question": {"choices": []}}, r"'question.stem' is missing"),
        ({"question": {"stem": "Why?"}}, "'choices' must be a list of objects.*None"),
        ({"question": {"stem": "Why?", "choices": []}}, r"'choices' must be a list .*got \[\]"),
        (
            {"question": "Why?", "choices": {"label": ["A", "B"], "text": ["x"]}},
            "two lists of one length",
        ),
        (
            {"question": "Why?", "choices": {"label": ["A", "A"], "text": ["x", "y"]}},
            r"two choices have one label \(A, A\)",
        ),
        (
            {"question": "Why?", "choices": [{"label": "A"}, {"label": "B"}]},
            r"'choices\.text' is missing",
        ),
    ],
)
def test_arc_malformed(load, change, message):
    with pytest.raises(DataError, match=rf"set\.jsonl, line 2: .*{message}"):
        load(arc("A"), arc("A", id="r") | change)


def test_arc_takes_no_label_base(load):
    with pytest.raises(ConfigError, match="label_base 1 has no meaning for the arc format"):
        load(arc("A"), label_base=1)


# Generic


def test_generic_row(load):
    row = generic(2, id=7, context=" Colours. ", subject="art")
    assert load(row) == [
        Question(
            id="7",
            stem="Which?",
            options=("red", "green", "blue"),
            label=2,
            context="Colours.",
            subject="art",
        )
    ]


@pytest.mark.parametrize("label", [1, 1.0, "1", " 1 ", "1.0", "B", "b", "green"])
def test_generic_label_forms(load, label):
    assert labels(load(generic(label))) == [1]


@pytest.mark.parametrize("label", [None, "", " "])
def test_generic_without_a_label(load, label):
    assert labels(load(generic(label))) == [None]


def test_generic_label_base_1_moves_indexes_only(load):
    rows = [generic(1), generic("3"), generic("C"), generic("blue")]
    assert labels(load(*rows, label_base=1)) == [0, 2, 2, 2]
    assert labels(load(generic(0), generic("2"))) == [0, 2]


def test_generic_number_is_an_index_even_where_it_is_the_text_of_an_option(load):
    assert labels(load(generic(1, ["3", "1", "2"]), generic(2, ["3", "1", "2"]))) == [1, 2]


def test_generic_text_that_looks_like_an_index_out_of_range_is_a_text(load):
    assert labels(load(generic("20", ["10", "20"]))) == [1]


def test_generic_text_whose_readings_agree(load):
    assert labels(load(generic("1", ["0", "1"]), generic("A", ["A", "B"]))) == [1, 0]


@pytest.mark.parametrize(
    ("label", "options", "message"),
    [
        ("1", ["3", "4", "1"], r"option B \(by index\) or option C \(by text\)"),
        ("A", ["B", "A"], r"option A \(by letter\) or option B \(by text\)"),
        ("red", ["red", "red"], r"option A \(by text\) or option B \(by text\)"),
    ],
)
def test_generic_text_with_two_readings(load, label, options, message):
    with pytest.raises(DataError, match=f"line 1: label '{label}' can mean {message}.*Write"):
        load(generic(label, options))


@pytest.mark.parametrize(
    ("label", "base", "message", "remedy"),
    [
        (3, None, "label 3 is out of range.* 0 to 2", True),
        ("3", None, "label 3 is out of range.* 0 to 2", True),
        (4, None, "label 4 is out of range.* 0 to 2", False),
        (-1, None, "label -1 is out of range.*null for none", False),
        (0, 1, "label 0 is out of range.*label base 1 an index is 1 to 3", False),
    ],
)
def test_generic_index_out_of_range(load, label, base, message, remedy):
    with pytest.raises(DataError, match=f"line 1: {message}") as error:
        load(generic(label), label_base=base)
    assert ("--label-base 1" in str(error.value)) is remedy


@pytest.mark.parametrize("label", ["D", "yellow", "Red", True, 0.5, "A B"])
def test_generic_label_that_is_no_option(load, label):
    with pytest.raises(DataError, match=r"no option's index, letter \(A to C\) or exact text"):
        load(generic(label))


def test_generic_aliases(load):
    assert load({"stem": "Which?", "choices": ["x", "y"], "answer": "B"}) == [
        Question(id="set-1", stem="Which?", options=("x", "y"), label=1)
    ]


def test_generic_csv_with_a_json_list(load_csv):
    [question] = load_csv(["question", "options", "label"], ["Which?", '["a, b", "c"]', "1"])
    assert (question.options, question.label) == (("a, b", "c"), 1)


def test_generic_csv_with_lettered_columns(load_csv):
    questions = load_csv(
        ["id", "question", "A", "B", "C", "D", "label"],
        ["q1", "Two?", "x", "y", "", " ", "B"],
        ["", "Four?", "1", "NA", "3", "4", "D"],
    )
    assert [(q.id, q.options, q.label) for q in questions] == [
        ("q1", ("x", "y"), 1),
        ("set-2", ("1", "NA", "3", "4"), 3),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": ""}, "'question' is ''; expected a text"),
        ({"question": None}, "'question' is None; expected a text"),
        ({"question": ["Which?"]}, r"'question' must be a text, got \['Which\?'\]"),
        ({"question": "\ud800"}, "'question' is not valid Unicode"),
        ({"options": "red, green"}, "'options' must be a list of texts.*'red, green'"),
        ({"options": ["red", None]}, "'options' is None; expected a text that is not blank"),
        ({"options": ["red", True]}, "'options' must be a text, got True"),
        ({"options": ["red"]}, "1 options; a question has 2 to 255"),
        ({"options": ["x"] * 256}, "256 options; a question has 2 to 255"),
        ({"stem": "Which?"}, "'question' and 'stem' mean the same"),
        ({"answer": 0}, "'label' and 'answer' mean the same"),
        ({"A": "x", "B": "y"}, "in 'options' and in the columns A, B"),
        ({"id": ["q"]}, "'id' must be a text"),
        ({"context": True}, "'context' must be a text"),
    ],
)
def test_generic_malformed(load, change, message):
    with pytest.raises(DataError, match=rf"set\.jsonl, line 2: .*{message}"):
        load(generic(0), generic(0) | change)


@pytest.mark.parametrize(
    ("columns", "cells", "message"),
    [
        ("ABD", "xyz", "the option columns are A, B, D; expected .* without a gap"),
        ("ABC", ["x", "", "z"], "'B' is ''; expected a text"),
        ("ABC", ["x", "", ""], "1 options; a question has 2"),
    ],
)
def test_generic_lettered_columns_malformed(load_csv, columns, cells, message):
    with pytest.raises(DataError, match=rf"set\.csv, line 2: .*{message}"):
        load_csv(["question", *columns, "label"], ["Which?", *cells, "A"])


def test_generic_needs_the_field_of_the_label(load):
    row = generic(0)
    del row["label"]
    with pytest.raises(DataError, match="line 1: the field 'label' is missing; it may be null"):
        load(row)


# Detection


def test_a_file_of_no_known_format_says_what_was_found_and_what_is_known(load):
    with pytest.raises(
        DataError, match=r"Line 1 has the fields 'q', 'a'\. .*--field stem=.*cop.*answerKey"
    ):
        load({"q": "Which?", "a": "red"})


def test_rows_of_two_formats_name_both(load):
    with pytest.raises(DataError, match="line 1 is generic, line 3 is medmcqa"):
        load(generic(0), generic(0), medmcqa(0))


def test_a_row_that_lacks_a_field_is_named_by_line_and_field(load):
    row = medmcqa(0)
    del row["opd"]
    with pytest.raises(DataError, match=r"set\.jsonl, line 2: the field 'opd' is missing"):
        load(medmcqa(0), row)
    with pytest.raises(DataError, match=r"set\.jsonl, line 1: the field 'question' is missing"):
        load({"q": "?"}, medmcqa(0))


def test_a_given_format_is_not_doubted(load):
    with pytest.raises(DataError, match="line 1: the field 'opa' is missing"):
        load(generic(0), format="medmcqa")
    both = medmcqa(0, options=["x", "y"], label=1)
    assert load(both, format="generic")[0].options == ("x", "y")


# Ids


def test_rows_without_an_id_get_one_from_the_file_and_the_row(load):
    rows = [generic(0), generic(0, id=None), generic(0, id="own"), generic(0, id=5.0)]
    assert [question.id for question in load(*rows)] == ["set-1", "set-2", "own", "5"]


def test_duplicate_ids_name_both_lines(load):
    with pytest.raises(DataError, match=r"set\.jsonl, line 3: the id 'x' .* of line 1"):
        load(generic(0, id="x"), generic(0), generic(0, id=" x"))
