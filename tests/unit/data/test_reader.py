"""What happens to rows that are no questions, or have no answer, or name their fields otherwise."""

import gzip
import json

import pandas
import pytest

from mcqa.data import load_questions, open_questions
from mcqa.data.reader import write_rejected
from mcqa.errors import ConfigError, DataError

GOOD = {"question": "Which?", "options": ["red", "green", "blue"], "label": 0}
ARC = {"question": "Which?", "choices": {"label": ["A", "B"], "text": ["x", "y"]}}
MEDQA = {"question": "Which?", "options": {"A": "x", "B": "y"}}


def read_questions(path, **settings):
    """Return the questions and the account of the other rows."""
    reader = open_questions(path, **settings)
    return reader.read_all(), reader.account


@pytest.fixture
def write(tmp_path):
    """Write rows, or texts as they are, as JSON lines and return the path."""

    def write(*rows):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / "set.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


# Labels


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (GOOD | {"label": [0, 2]}, "A, C"),
        (GOOD | {"label": ["A", "green"]}, "A, B"),
        (GOOD | {"label": "A, C"}, "A, C"),
        (GOOD | {"label": "red;blue"}, "A, C"),
        (ARC | {"answerKey": "A B"}, "A, B"),
        (MEDQA | {"answer_idx": ["A", "B"]}, "A, B"),
    ],
)
def test_several_right_answers_are_never_one_of_them(write, row, label):
    path = write(row, row | {"id": "hidden"})
    questions, account = read_questions(path, unlabelled="keep")
    assert [question.label for question in questions] == [None, None]
    assert (account.hidden, account.several) == (0, 2)
    with pytest.raises(
        DataError, match=rf"line 1: question .* has 2 right answers \({label}\); .*--unlabelled"
    ):
        load_questions(path, unlabelled="error")


@pytest.mark.parametrize(("label", "index"), [([2], 2), (["green"], 1), ([1, "B"], 1), ([], None)])
def test_a_list_of_one_answer_is_that_answer(write, label, index):
    assert load_questions(write(GOOD | {"label": label}))[0].label == index


@pytest.mark.parametrize("label", [[0, 1, 0], [[0]], [0, None], "red, yellow", ["A", 7]])
def test_a_list_that_cannot_be_read_is_an_error(write, label):
    with pytest.raises(DataError, match="line 1: label"):
        load_questions(write(GOOD | {"label": label}))


def test_policies_for_rows_without_an_answer(write):
    path = write(GOOD, GOOD | {"label": None}, GOOD | {"label": [0, 1]})
    kept, account = read_questions(path)
    assert [question.label for question in kept] == [0, None, None]
    assert account.remarks() == ["1 row with several right answers kept without a label"]
    skipped, account = read_questions(path, unlabelled="skip")
    assert [question.id for question in skipped] == ["set-1"]
    assert account.counts() == {"rejected": 0, "skipped": 2}
    assert account.remarks() == [
        "1 row without an answer skipped",
        "1 row with several right answers skipped",
    ]
    with pytest.raises(DataError, match="line 2: question 'set-2' has no right answer"):
        load_questions(path, unlabelled="error")
    with pytest.raises(ConfigError, match="unlabelled is 'drop'; it must be error, skip, keep"):
        load_questions(path, unlabelled="drop")


def test_when_nothing_is_left_the_reason_is_said(write):
    with pytest.raises(DataError, match=r"no question is left: 2 rows without an answer skipped"):
        load_questions(write(*[GOOD | {"label": None}] * 2), unlabelled="skip")
    with pytest.raises(DataError, match=r"no question is left: 1 row rejected\..*line 1: label 9"):
        load_questions(write({**GOOD, "label": 9}), skip_invalid=True)


# Bad rows


def test_bad_rows_are_rejected_with_place_reason_and_content(write, tmp_path):
    bad = [GOOD | {"label": 7}, "not json", "[1]", GOOD | {"id": "q"}, GOOD | {"id": "q"}]
    path = write(GOOD, *bad, GOOD | {"options": ["red", "\ud800"]}, GOOD)
    questions, account = read_questions(path, skip_invalid=True)
    assert [question.id for question in questions] == ["set-1", "q", "set-8"]
    said = []
    write_rejected(tmp_path, account.rejected, announce=said.append)
    assert said == [f"Rejected rows: {tmp_path / 'rejected.jsonl'}"]
    rows = [json.loads(line) for line in (tmp_path / "rejected.jsonl").open()]
    assert [(row["source"], row["place"]) for row in rows] == [
        (str(path), f"line {number}") for number in (2, 3, 4, 6, 7)
    ]
    reasons = "label 7", "not JSON", "must be an object", "the id 'q'", "not valid Unicode"
    assert all(reason in row["reason"] for reason, row in zip(reasons, rows, strict=True))
    assert [row["row"] for row in rows[:3]] == [bad[0], "not json", [1]]
    write_rejected(tmp_path, [], announce=said.append)
    assert not (tmp_path / "rejected.jsonl").exists()


def test_the_first_bad_row_is_the_error_where_none_may_be_skipped(write):
    with pytest.raises(DataError, match=r"set\.jsonl, line 2: not JSON"):
        load_questions(write(GOOD, "not json"))


def test_bytes_that_are_not_utf8_reject_their_line_alone(tmp_path):
    path = tmp_path / "set.jsonl"
    line = json.dumps(GOOD).encode()
    path.write_bytes(line + b'\n{"question": "\xe9"}\n' + line)
    questions, account = read_questions(path, skip_invalid=True)
    assert [question.id for question in questions] == ["set-1", "set-3"]
    assert "not UTF-8" in account.rejected[0].reason


def test_a_csv_row_with_too_many_cells_is_rejected_alone(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("question,A,B,label\nOne?,x,y,A\nTwo, or 2?,x,y,B\n")
    questions, account = read_questions(path, skip_invalid=True)
    assert (len(questions), account.rejected[0].place) == (1, "line 3")


def test_a_faulty_label_does_not_hide_what_medmcqa_s_labels_count_from(write):
    row = {"question": "Q?", "opa": "w", "opb": "x", "opc": "y", "opd": "z"}
    rows = [row | {"cop": cop} for cop in ("E", 4, 1)]
    questions, account = read_questions(write(*rows), skip_invalid=True)
    assert [question.label for question in questions] == [3, 0]
    assert "'cop' is 'E'" in account.rejected[0].reason


def test_the_limit_counts_questions_and_not_rows(write):
    path = write("bad", GOOD, GOOD | {"label": None}, GOOD, GOOD)
    questions = load_questions(path, limit=2, skip_invalid=True, unlabelled="skip")
    assert [question.id for question in questions] == ["set-2", "set-4"]


def test_a_huge_or_boolean_label_is_one_short_line(write):
    for label in (10**300, True, 1e308, -(10**40)):
        with pytest.raises(DataError, match="line 1: label") as error:
            load_questions(write(GOOD | {"label": label}))
        assert len(str(error.value)) < 500
    with pytest.raises(DataError, match="JSON that cannot be read"):
        load_questions(write('{"question": "?", "label": ' + "9" * 5000 + "}"))


# Files


def test_gzip_and_tab_separated_files(write, tmp_path):
    content = write(GOOD).read_bytes()
    (tmp_path / "set.JSONL.gz").write_bytes(gzip.compress(content))
    assert load_questions(tmp_path / "set.JSONL.gz") == load_questions(tmp_path / "set.jsonl")
    (tmp_path / "set.tsv").write_text("question\tA\tB\tlabel\nOne, or 1?\tx\ty\tB\n")
    [question] = load_questions(tmp_path / "set.tsv")
    assert (question.stem, question.label) == ("One, or 1?", 1)


def test_a_csv_file_whose_lines_end_in_carriage_returns(tmp_path):
    (tmp_path / "set.csv").write_bytes(b"question,A,B,label\rOne?,x,y,B\r")
    assert load_questions(tmp_path / "set.csv")[0].label == 1


@pytest.mark.parametrize("cut", [5, 40])
def test_a_gzip_file_that_is_cut_off(tmp_path, cut):
    content = gzip.compress(json.dumps(GOOD).encode())
    (tmp_path / "set.jsonl.gz").write_bytes(content[:cut])
    with pytest.raises(DataError, match=r"set\.jsonl\.gz: cannot be read"):
        load_questions(tmp_path / "set.jsonl.gz", skip_invalid=True)
    (tmp_path / "set.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be read"):
        load_questions(tmp_path / "set.jsonl.gz")


def test_rows_are_read_as_they_are_asked_for(write):
    reader = open_questions(write(*[GOOD] * 3), format="generic")
    iterator = iter(reader)
    assert next(iterator).id == "set-1"
    assert [question.id for question in reader] == ["set-1", "set-2", "set-3"]
    assert next(iterator).id == "set-2"


def test_parquet_with_more_rows_than_one_batch(tmp_path):
    pandas.DataFrame([GOOD] * 2100).to_parquet(tmp_path / "set.parquet")
    assert load_questions(tmp_path / "set.parquet")[-1].id == "set-2100"


# Names of fields


def test_fields_are_read_under_other_names(write):
    row = {"q": {"text": "Which?"}, "right": "x", "wrong": "y", "gold": 0, "answer": "why"}
    fields = {"stem": "q.text", "options": "right,wrong", "label": "gold"}
    [question] = load_questions(write(row), fields=fields)
    assert (question.stem, question.options, question.label) == ("Which?", ("x", "y"), 0)


def test_a_format_may_be_given_with_names_of_its_own(write):
    row = {"question": "Q?", "opa": "w", "opb": "x", "opc": "y", "opd": "z", "gold": 4}
    reader = open_questions(write(row), fields={"cop": "gold"})
    assert (reader.format, reader.base.value, [q.label for q in reader]) == ("medmcqa", 1, [3])


def test_a_mapped_field_that_a_row_lacks(write):
    rows = [{"q": "Which?", "options": ["x", "y"], "label": 0}, GOOD]
    with pytest.raises(DataError, match="line 2: the field 'q', which --field names, is missing"):
        load_questions(write(*rows), fields={"stem": "q"})
    assert len(load_questions(write(*rows), fields={"stem": "q"}, skip_invalid=True)) == 1


def test_a_name_that_no_format_knows(write):
    with pytest.raises(ConfigError, match="field 'prompt' is known to no format; there are: CON"):
        load_questions(write(GOOD), fields={"prompt": "question"})
