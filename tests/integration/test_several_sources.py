"""`--data` several times, a folder or a pattern: read as one, and recorded as what was given."""

import json

import pytest


@pytest.fixture
def folder(tmp_path):
    """A folder of two subjects, as MMLU's release has them."""
    folder = tmp_path / "test"
    folder.mkdir()
    for subject in ("anatomy", "law"):
        (folder / f"{subject}_test.csv").write_text("Which is a fruit?,saw,pear,nail,hammer,B\n")
    return folder


def test_a_folder_and_a_file_are_evaluated_as_one(command, tiny_model_folder, folder, tmp_path):
    own = tmp_path / "own.jsonl"
    own.write_text(json.dumps({"question": "Which?", "options": ["plum", "saw"], "label": 0}))
    model, out = f"{tiny_model_folder}:text", tmp_path / "out"
    result = command("evaluate", "--model", model, "--data", folder, "--data", own, "--output", out)
    assert result.code == 0, result.err
    data = json.loads((out / "evaluation.json").read_text())["data"]
    assert (data["source"], data["n"]) == (f"{folder}, {own}", 3)
    ids = [json.loads(line)["id"] for line in (out / "predictions.jsonl").open()]
    assert ids == ["anatomy_test-1", "law_test-1", "own-1"]
    assert "law" in (out / "per_question.csv").read_text()


def test_what_a_folder_holds_is_checked_as_one(command, folder):
    result = command("check", *sorted(folder.iterdir()), "--format", "json")
    report = json.loads(result.out)
    assert (report["format"], report["questions"]) == ("mmlu", 2)
    assert report["subjects"] == {"anatomy": 1, "law": 1}
    assert "kinds" not in report


def test_kinds_are_counted_and_what_contradicts_them_is_found(command, tmp_path):
    row = {"question": "Which?", "options": ["red", "green", "blue"]}
    rows = [
        row | {"kind": "several", "label": [0]},
        row | {"question": "How red?", "kind": "scale", "label": 2, "targets": [0.5, 0.3, 0.2]},
        row | {"question": "What?", "label": 1},
        row | {"kind": "scale", "label": "A, B"},
    ]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    result = command("check", path, "--format", "json")
    report = json.loads(result.out)
    assert {kind: found["questions"] for kind, found in report["kinds"].items()} == {
        "choice": 1,
        "scale": 1,
        "several": 1,
    }
    assert report["kinds"]["several"]["labels"] == {"A": 1}
    assert (report["labels"], report["kinds"]["scale"]["soft"]) == ({"B": 1}, 1)
    found = {entry["finding"]: entry["count"] for entry in report["findings"]}
    assert found == {"bad rows": 1, "label against targets": 1, "single answers": 1}
    told = command("check", path).out
    assert "choice: 1 (33%), scale: 1 (33%), several: 1 (33%)" in told
    assert "answers (scale)" in told
