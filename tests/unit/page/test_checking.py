import json

import pytest

from mcqa.errors import DataError
from mcqa.page.checking import look


def write(path, rows):
    path.write_text(
        "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    )
    return str(path)


GOOD = {"id": "q1", "question": "Which is a fruit?", "options": ["pear", "saw"], "label": 0}


def test_a_finding_shows_the_rows_that_it_points_at(tmp_path):
    rows = [GOOD, GOOD | {"id": "q2", "options": ["pear", "pear"]}, GOOD | {"id": "q3", "label": 7}]
    checked = look(write(tmp_path / "a.jsonl", rows))
    found = {each.finding: each for each in checked.findings}
    ((id, shown),) = found["duplicate options"].rows
    assert id == "q2"
    assert json.loads(shown)["options"] == ["pear", "pear"]
    ((place, shown),) = found["bad rows"].rows
    assert place.startswith("line 3: ")
    assert json.loads(shown)["label"] == 7
    assert found["bad rows"].level == "error"
    assert checked.errors == 1


def test_a_row_that_is_no_json_is_shown_as_it_stands(tmp_path):
    checked = look(write(tmp_path / "a.jsonl", [GOOD, "{broken"]))
    ((place, shown),) = checked.findings[0].rows
    assert place.startswith("line 2: ")
    assert shown == "{broken"


def test_a_broken_file_is_the_command_lines_error(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"files ending in '\.zip' are not read"):
        look(str(path))


def test_bundled_questions_have_no_errors():
    assert look("bundled", split="validation").errors == 0
