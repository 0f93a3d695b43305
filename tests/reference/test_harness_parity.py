"""The same questions in lm-evaluation-harness, through the program that claims the equality."""

import importlib.util
import json
import logging
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from small_tokenizers import small_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from mcqa.prompting.prompts import TEMPLATES, get_template
from mcqa.scoring.loading import load_scorer

pytest.importorskip("lm_eval", reason="lm-evaluation-harness comes with the extra 'bench'")

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "harness.py"
PARITY_NATS = 1e-3


@pytest.fixture(scope="module")
def harness():
    """The benchmark, imported from its file."""
    spec = importlib.util.spec_from_file_location("benchmark_harness", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def questions(tiny_questions):
    return tiny_questions[:12]


@pytest.fixture(autouse=True)
def _left_as_found(tmp_path, monkeypatch):
    """Keep tables out of the user's cache and the log level to the test."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    level = logging.root.manager.disable
    yield
    logging.disable(level)


@pytest.mark.parametrize("name", TEMPLATES)
def test_resplit_moves_white_space_and_changes_no_text(harness, questions, name):
    template = get_template(name)
    for question in questions:
        plain = template.render(question)
        moved = harness.resplit(template).render(question)
        assert moved.prefix == plain.prefix.rstrip()
        for before, after in zip(plain.continuations, moved.continuations, strict=True):
            assert moved.prefix + after == plain.prefix + before


def test_the_task_asks_the_same_questions(harness, questions, tmp_path):
    task = harness.harness_task(questions[:2], get_template("lettered"), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "task.jsonl").open()]
    for row, question in zip(rows, questions, strict=False):
        rendered = get_template("lettered").render(question)
        assert (row["context"], row["gold"]) == (rendered.prefix, question.label)
        assert row["choices"] == list(rendered.continuations)
    assert task["target_delimiter"] == ""
    assert task["dataset_kwargs"]["data_files"] == {"test": str(tmp_path / "task.jsonl")}

    cloze = harness.harness_task(questions[:1], get_template("cloze"), tmp_path)
    (row,) = (json.loads(line) for line in (tmp_path / "task.jsonl").open())
    assert row["context"].endswith("Answer:")
    assert (row["choices"], cloze["target_delimiter"]) == (list(questions[0].options), " ")

    harness.harness_task(questions[:1], get_template("lettered"), tmp_path, letters=True)
    (row,) = (json.loads(line) for line in (tmp_path / "task.jsonl").open())
    assert row["choices"] == list(questions[0].letters)


@pytest.mark.parametrize("name", ["cloze", "lettered"])
def test_scores_and_metrics_are_the_harnesss(
    harness, questions, tiny_model, tiny_tokenizer, tiny_model_folder, tmp_path, name
):
    task = harness.harness_task(questions, get_template(name), tmp_path)
    lm = harness.TimedModel(tiny_model, tiny_tokenizer, batch_size=4)
    metrics, theirs = harness.run_harness(lm, task)
    assert lm.seconds > 0
    assert [len(scores) for scores in theirs] == [len(q.options) for q in questions]
    for scorer, metric in (("text", "acc"), ("text-char", "acc_norm")):
        made = load_scorer(
            str(tiny_model_folder), scorer, template=name, dtype="float32", device="cpu"
        )
        made.encoder.template = harness.resplit(made.encoder.template)
        results = made.score_many(questions, batch_size=5)
        assert sum(p.correct for p in results) / 12 == pytest.approx(metrics[metric])
        lengths = [
            [len(text.strip()) if scorer == "text-char" else 1 for text in render.continuations]
            for render in map(get_template(name).render, questions)
        ]
        for result, scores, divisors in zip(results, theirs, lengths, strict=True):
            ours = [score * n for score, n in zip(result.scores, divisors, strict=True)]
            assert ours == pytest.approx(scores, abs=PARITY_NATS)


@pytest.fixture(params=["llama", "llama, always", "llama, never", "prepend"])
def sentencepiece_folder(request, tmp_path):
    """A tiny Llama whose tokenizer writes spaces as "▁", and one before most texts."""
    tokenizer = small_tokenizer(request.param)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.15,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", TEMPLATES)
def test_scores_are_the_harnesss_with_sentencepiece(
    harness, questions, sentencepiece_folder, tmp_path, name
):
    arguments = Namespace(
        model=str(sentencepiece_folder), template=name, device="cpu", batch_size=4, repeats=1
    )
    result = harness.check_parity(arguments, questions, tmp_path)
    assert result["largest_difference_nats"] < PARITY_NATS
    assert result["mcqa"] == pytest.approx(result["harness"])
    assert result["same"] is True


@pytest.fixture
def arguments(tiny_model_folder):
    def build(template):
        return Namespace(
            model=str(tiny_model_folder), template=template, device="cpu", batch_size=4, repeats=1
        )

    return build


@pytest.mark.parametrize("name", ["cloze", "lettered"])
def test_the_benchmark_finds_parity(harness, arguments, questions, tmp_path, name):
    result = harness.check_parity(arguments(name), questions, tmp_path)
    assert result["same"] is True
    assert result["options"] == sum(len(q.options) for q in questions)
    assert result["largest_difference_nats"] < PARITY_NATS
    assert result["mcqa"] == pytest.approx(result["harness"])


def test_the_benchmark_would_notice_a_difference(
    harness, arguments, questions, tmp_path, monkeypatch
):
    """Without the white space moved, the two do not score the same continuation."""
    monkeypatch.setattr(harness, "resplit", lambda template: template)
    result = harness.check_parity(arguments("lettered"), questions, tmp_path)
    assert result["same"] is False
    assert result["largest_difference_nats"] > PARITY_NATS


def test_the_benchmark_prints_its_result(
    harness, questions, tiny_model_folder, tmp_path, monkeypatch, capsys
):
    data = tmp_path / "questions.jsonl"
    rows = [{"question": q.stem, "options": q.options, "label": q.label} for q in questions]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = f"harness.py --data {data} --template lettered --model {tiny_model_folder}"
    words += " --limit 4 --batch-size 4 --repeats 1 --device cpu"
    monkeypatch.setattr("sys.argv", words.split())
    harness.main()
    printed = capsys.readouterr().out
    result = json.loads(printed[printed.index("{\n") :])
    assert (result["n"], result["template"], result["parity"]["same"]) == (4, "lettered", True)
    for scorer in ("text", "letter"):
        rates = result[scorer]["questions_per_second"]
        assert result[scorer]["ratio"] == pytest.approx(rates["mcqa"] / rates["harness"])
