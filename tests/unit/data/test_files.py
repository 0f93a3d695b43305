"""Reading files as rows: what is read, and that every bad file names its place."""

import json

import pandas
import pytest

from mcqa.data.files import file_sha256, read_file
from mcqa.data.reader import QuestionReader, Settings
from mcqa.errors import DataError

ROWS = [{"question": "Q1", "n": 1}, {"question": "Q2", "n": None}]


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def places_and_fields(path):
    return [(row.place, row.fields) for row in read_file(path).open()]


def test_jsonl_keeps_physical_lines_over_blank_ones(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"x": 1}\r\n\n  \n{"x": 2}\n')
    assert places_and_fields(path) == [("line 1", {"x": 1}), ("line 4", {"x": 2})]


def test_jsonl_is_not_cut_at_a_line_separator_inside_a_text(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"x": "a\u2028b\x85c"}\n{"x": "d"}')
    assert places_and_fields(path) == [("line 1", {"x": "a\u2028b\x85c"}), ("line 2", {"x": "d"})]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = write(tmp_path, "a.csv", b"\xef\xbb\xbfx,y\n1,\xc3\xa9\n")
    assert places_and_fields(path) == [("line 2", {"x": "1", "y": "é"})]


def test_json_list(tmp_path):
    path = write(tmp_path, "a.json", json.dumps(ROWS))
    assert places_and_fields(path) == [("row 1", ROWS[0]), ("row 2", ROWS[1])]


def test_json_object_gives_its_keys_as_ids_unless_a_row_has_its_own(tmp_path):
    path = write(tmp_path, "a.json", '{"k1": {"x": 1}, "k2": {"id": null}, "k3": {"id": "own"}}')
    assert [row.fields["id"] for row in read_file(path).open()] == ["k1", "k2", "own"]


def test_csv_names_the_line_on_which_a_row_starts(tmp_path):
    path = write(tmp_path, "a.csv", 'x, y\n\n"two\nlines",NA\nlast,"a, b"\n')
    assert places_and_fields(path) == [
        ("line 3", {"x": "two\nlines", "y": "NA"}),
        ("line 5", {"x": "last", "y": "a, b"}),
    ]


def test_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pandas.DataFrame({"x": ["a", "b"], "n": [1, None], "l": [["p"], ["q", "r"]]}).to_parquet(path)
    assert places_and_fields(path) == [
        ("row 1", {"x": "a", "n": 1.0, "l": ["p"]}),
        ("row 2", {"x": "b", "n": None, "l": ["q", "r"]}),
    ]


def test_the_ending_may_be_in_capitals_and_the_stem_names_the_table(tmp_path):
    table = read_file(write(tmp_path, "Dev.JSONL", '{"x": 1}'))
    assert (table.stem, len(list(table.open()))) == ("Dev", 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"x": 1}\n{"x": }\n', r"a\.jsonl, line 2: not JSON .*column 7"),
        ("a.jsonl", '{"x": 1}\n[1, 2]\n', r"a\.jsonl, line 2: .*must be an object.*\[1, 2\]"),
        ("a.jsonl", '{"x": 1}\n\n{"x": 1, "x": 2}\n', "line 3: .*'x' stands twice"),
        ("a.jsonl", "[" * 100_000, "line 1: JSON that cannot be read"),
        ("a.jsonl", b'{"x": 1}\n{"x": "\xe9"}\n', r"a\.jsonl, line 2: not UTF-8"),
        ("a.csv", "x,y\n1,2\n".encode("utf-16"), "line 1: not UTF-8.*Save the file as UTF-8"),
        ("a.jsonl", "", "holds no rows"),
        ("a.jsonl", "\n \n", "holds no rows"),
        ("a.json", "", "holds no rows"),
        ("a.json", "[]", "holds no rows"),
        ("a.json", "{}", "holds no rows"),
        ("a.csv", "", "holds no rows"),
        ("a.csv", "x,y\n", "holds no rows"),
        ("a.json", '[{"x": 1},\n 2]', r"a\.json, row 2: .*must be an object.*got 2"),
        ("a.json", '{"data": [1]}', r"row 1 \('data'\): .*must be an object"),
        ("a.json", '{"k": {}, "k": {}}', "'k' stands twice"),
        ("a.json", '"text"', "a list of rows or an object keyed by id, got 'text'"),
        ("a.json", '{"x": 1}\n{"x": 2}\n', r"line 2: not JSON .*one object per line is a \.jsonl"),
        ("a.csv", "x,y\n1,2\n1,2,3\n", r"a\.csv, line 3: 3 cells for 2 columns"),
        ("a.csv", "x,y\n1\n", "line 2: 1 cells for 2 columns"),
        ("a.csv", "x,x\n1,2\n", "line 1: the column 'x' stands twice"),
        ("a.csv", 'x,y\n1,2\n"3,4\n5,6\n', "line 3: not CSV"),
        ("a.parquet", "no parquet", "not a Parquet file"),
        ("a.txt", "x", r"'\.txt' are not read, only \.jsonl, \.json, \.csv, \.tsv, \.parq"),
    ],
)
def test_a_bad_file_is_an_error_that_names_the_place(tmp_path, name, content, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        list(QuestionReader(read_file(write(tmp_path, name, content)), Settings()))


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"no such file.*\.jsonl, \.json, \.csv, \.tsv, \.parquet"):
        read_file(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match=r"is a folder; name a file \(\.jsonl"):
        read_file(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        file_sha256(tmp_path / "none.jsonl")


def test_sha256_is_of_the_bytes(tmp_path):
    # echo -n abc | sha256sum
    assert file_sha256(write(tmp_path, "a.jsonl", "abc")) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
