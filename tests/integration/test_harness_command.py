"""`mcqa harness`: the task that the docs show gives the accuracy of `mcqa evaluate`."""

import functools
import json
import re
import sys

import pytest
import yaml

from mcqa.question import LETTERS

DATA = "commonsenseqa_dev.jsonl"


@pytest.fixture
def harness(command, tmp_path, monkeypatch):
    """Run `mcqa harness` without the 13,000 files of the harness's own tasks, which take 7 s."""
    tasks = pytest.importorskip(
        "lm_eval.tasks", reason="lm-evaluation-harness comes with the extra 'harness'"
    )
    few_tasks = functools.partial(tasks.TaskManager, include_defaults=False)
    monkeypatch.setattr("lm_eval.tasks.TaskManager", few_tasks)
    # Its log handler would outlive the test, holding on to the test's standard error.
    monkeypatch.setattr("lm_eval.__main__.setup_logging", lambda: None)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # the harness sets it
    return functools.partial(command, "harness")


@pytest.fixture
def documented_task(root, tmp_path, tiny_questions):
    """The task of docs/evaluation.md over the tiny questions, and their file."""
    rows = [
        {
            "id": q.id,
            "answerKey": LETTERS[q.label],
            "question": {
                "stem": q.stem,
                "choices": [
                    {"label": letter, "text": option}
                    for letter, option in zip(q.letters, q.options, strict=True)
                ],
            },
        }
        for q in tiny_questions
    ]
    data = tmp_path / DATA
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = (root / "docs" / "evaluation.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (shown,) = (block for block in blocks if DATA in block)
    task = tmp_path / "task.yaml"
    task.write_text(shown.replace(DATA, str(data)))
    return task, data


@pytest.mark.parametrize(
    ("formulation", "scorer"), [("multiple-choice", "head"), ("generative", "text")]
)
def test_a_task_gives_the_accuracy_of_mcqa_evaluate(
    harness, command, runs, documented_task, tmp_path, formulation, scorer
):
    task, data = documented_task
    given = ["--model", "mcqa", "--model_args", f"run={runs[formulation]}", "--tasks", task]
    given += ["--output_path", tmp_path / "out", "--log_samples", "--batch_size", 7]
    before = sys.argv
    result = harness(*given)
    assert result.code == 0, result.err
    assert sys.argv is before

    ours = tmp_path / "ours"
    model = f"{runs[formulation]}:{scorer}"
    assert command("evaluate", "--model", model, "--data", data, "--output", ours).code == 0
    metrics = json.loads((ours / "metrics.json").read_text())
    (results,) = (tmp_path / "out").rglob("results*.json")
    name = yaml.safe_load(task.read_text())["task"]
    found = json.loads(results.read_text())["results"][name]
    assert found["acc,none"] == pytest.approx(metrics["accuracy"])

    (samples,) = (tmp_path / "out").rglob("samples*.jsonl")
    rows = sorted(map(json.loads, samples.open()), key=lambda row: row["doc_id"])
    predictions = list(map(json.loads, (ours / "predictions.jsonl").open()))
    assert len(rows) == len(predictions) == 36
    for row, prediction in zip(rows, predictions, strict=True):
        scores = [float(score) for score, _ in row["filtered_resps"]]
        assert scores == pytest.approx(prediction["scores"], rel=1e-4)


def test_an_error_of_ours_is_one_line(harness, documented_task):
    result = harness(
        "--model", "mcqa", "--model_args", "run=nothere/", "--tasks", documented_task[0]
    )
    assert result.code == 2
    assert "Error: model 'nothere/': no such folder" in result.err
    assert "Traceback" not in result.err


def test_without_the_harness_the_command_says_what_to_install(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval.models", None)
    monkeypatch.delitem(sys.modules, "mcqa.scoring.harness", raising=False)
    result = command("harness", "ls", "tasks")
    assert result.code == 1
    assert "pip install 'mcqa[harness]'" in result.err
