"""The embedded model answers real questions, far better than by chance where it is asked well."""

import json
import subprocess
import sys

import pytest

import mcqa


@pytest.mark.model
def test_the_untrained_model_knows_some_of_the_bundled_answers():
    questions = mcqa.load_questions("bundled", split="test", limit=64)
    scorer = mcqa.load_scorer("smollm2-135m", "text", template="cloze")
    results = scorer.score_many(questions)
    chance = sum(1 / len(question.options) for question in questions) / 64
    assert sum(result.correct for result in results) / 64 > chance + 0.18  # 3.3 standard errors


@pytest.mark.model
def test_medmcqa_labels_are_read_from_1_and_scored(root, command, tmp_path):
    path = root.parent / "shared" / "data" / "medmcqa_dev.jsonl"
    if not path.is_file():
        pytest.skip("../shared/data/medmcqa_dev.jsonl, MedMCQA's validation split, is not here")
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(next(file)) for _ in range(40)]
    questions = mcqa.load_questions(path, limit=40)
    for row, question in zip(rows, questions, strict=True):
        assert question.label == row["cop"] - 1
        assert question.answer == row[f"op{'abcd'[row['cop'] - 1]}"].strip()

    output = tmp_path / "predictions.jsonl"
    flags = ["--model", "smollm2-135m", "--data", path, "--limit", 40, "--template", "lettered"]
    result = command("score", *flags, "--output", output, "--format", "json")
    assert result.code == 0
    metrics = json.loads(result.out)
    assert (metrics["n"], metrics["chance"]) == (40, 0.25)
    predictions = [json.loads(line) for line in output.open()]
    assert [p["id"] for p in predictions] == [question.id for question in questions]
    assert [p["label"] for p in predictions] == [question.label for question in questions]


@pytest.mark.model
def test_no_bit_of_a_score_in_bfloat16_depends_on_the_order_of_unlisted_options(command, tmp_path):
    flags = ["--model", "smollm2-135m:text", "--data", "bundled", "--limit", 24, "--batch-size", 7]
    flags += ["--dtype", "bfloat16", "--permutations", "cyclic", "--output", tmp_path]
    assert command("evaluate", *flags).code == 0
    found = json.loads((tmp_path / "metrics.json").read_text())["permutations"]
    assert (found["n"], found["flips"], found["largest_score_change"]) == (24, 0, 0)


@pytest.mark.model
def test_in_8_bits_it_is_not_taken_for_another_architecture(tmp_path):
    """Its layers round by what else is in the batch, far more than the check on loading allows."""
    command = [sys.executable, "-m", "mcqa", "score", "--model", "smollm2-135m"]
    command += ["--quantization", "int8", "--data", "bundled", "--limit", "2"]
    result = subprocess.run(
        [*command, "--output", tmp_path / "p.jsonl"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "MatMul8bitLt" not in result.stderr
