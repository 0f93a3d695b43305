"""`--skip-invalid`, `--unlabelled` and `--field` from the file to what every report says."""

import json

import pytest


@pytest.fixture
def mixed_file(tmp_path, tiny_questions):
    """Nine good questions whose stem is in `prompt`, a line that is no JSON, and two unlabelled."""
    rows = [{"prompt": q.stem, "options": q.options, "label": q.label} for q in tiny_questions[:12]]
    rows[4]["label"], rows[7]["label"] = None, [0, 1]
    lines = [json.dumps(row) for row in rows]
    lines[2] = "no json"
    path = tmp_path / "mixed.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def flags(mixed_file):
    return ["--data", mixed_file, "--field", "stem=prompt", "--skip-invalid"]


def rejected(folder):
    return [json.loads(line)["place"] for line in (folder / "rejected.jsonl").open()]


def test_score(command, tiny_model_folder, flags, tmp_path):
    model = ["--model", tiny_model_folder, "--output", tmp_path / "out" / "p.jsonl"]
    result = command("score", *model, *flags, "--format", "json")
    assert result.code == 0, result.err
    assert "1 row rejected" in result.err
    assert f"Rejected rows: {tmp_path / 'out' / 'rejected.jsonl'}" in result.err
    assert "1 row with several right answers kept without a label" in result.err
    metrics = json.loads(result.out)
    assert (metrics["n"], metrics["unlabelled"]) == (9, 2)
    assert (metrics["rejected"], metrics["skipped"]) == (1, 0)
    assert rejected(tmp_path / "out") == ["line 3"]


def test_evaluate(command, tiny_model_folder, flags, tmp_path):
    model = ["--model", tiny_model_folder, "--output", tmp_path / "out"]
    result = command("evaluate", *model, *flags, "--unlabelled", "skip", "--format", "json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["data"] == {"questions": 9, "rejected": 1, "skipped": 2}
    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())["details"]["Data"]
    assert "9 questions, 1 row rejected, 1 row without an answer skipped" in told
    assert "1 row rejected" in (tmp_path / "out" / "report.html").read_text()
    assert rejected(tmp_path / "out") == ["line 3"]


@pytest.mark.parametrize(
    ("policy", "places", "skipped"),
    [("skip", ["line 3"], 2), ("error", ["line 3", "line 5", "line 8"], 0)],
)
def test_train(command, training, flags, tmp_path, policy, places, skipped):
    settings = [*training[:2], *flags, *training[4:], "--max-steps", 1, "--output", tmp_path]
    result = command("train", "generative", *settings, "--unlabelled", policy)
    assert result.code == 0, result.err
    record = json.loads((tmp_path / "run.json").read_text())["train"]["sets"][0]
    counts = {name: record[name] for name in ("n", "rejected", "skipped")}
    assert counts == {"n": 9, "rejected": len(places), "skipped": skipped}
    assert rejected(tmp_path) == places
    assert f"mixed.jsonl: {len(places)} row" in result.err


def test_an_unlabelled_row_is_an_error_in_training(refused, training, mixed_file, tmp_path):
    lines = mixed_file.read_text().splitlines()
    del lines[2]
    mixed_file.write_text("\n".join(lines))
    flags = ["--data", mixed_file, "--field", "stem=prompt", "--output", tmp_path / "out"]
    message = refused("train", "generative", *training[:2], *training[4:], *flags)
    assert "mixed.jsonl, line 4: question 'mixed-4' has no right answer" in message
    assert "--unlabelled skip" in message
