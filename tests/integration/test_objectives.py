"""What a run learns, and which of its steps is kept: `--objective` and `--best-metric`."""

import json
import math
import random
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from mcqa.scoring.loading import load_scorer


def read_record(folder):
    return json.loads((folder / "run.json").read_text())


def values(folder, name):
    """Return what the log has under a name, step by step."""
    entries = [json.loads(line) for line in (folder / "training_log.jsonl").open()]
    return [entry[name] for entry in entries if name in entry]


@pytest.fixture
def train(command, training, tmp_path):
    """Train a few full batches and return the run folder."""
    made = []

    def run(formulation, *settings):
        folder = tmp_path / f"run{len(made)}"
        made.append(folder)
        flags = ["--batch-size", 36, "--epochs", 6, *settings, "--output", folder]
        result = command("train", formulation, *training, *flags)
        assert result.code == 0, result.err
        return folder

    return run


def entropy(per_question, questions):
    """Return the mean cross-entropy of a softmax over each question's scores, in nats."""
    losses = [
        math.log(sum(map(math.exp, scores))) - scores[question.label]
        for scores, question in zip(per_question, questions, strict=True)
    ]
    return sum(losses) / len(losses)


@torch.no_grad()
def log_likelihoods(model, tokenizer, question):
    """Sum each option's log-probabilities, one plain forward pass per option."""
    prefix = tokenizer(f"Question: {question.stem}\nAnswer:")["input_ids"]
    totals = []
    for option in question.options:
        ids = tokenizer(f" {option}", add_special_tokens=False)["input_ids"]
        rows = model(torch.tensor([[*prefix, *ids]])).logits[0].log_softmax(-1)[len(prefix) - 1 :]
        totals.append(sum(rows[place, token].item() for place, token in enumerate(ids)))
    return totals


@pytest.fixture(scope="module")
def file_questions(tiny_questions):
    """The questions as the file has them: without their context."""
    return [type(q)(id=q.id, stem=q.stem, options=q.options, label=q.label) for q in tiny_questions]


def test_the_options_loss_is_that_of_a_softmax_over_log_likelihoods(
    train, question_file, tiny_model, tiny_tokenizer, file_questions
):
    folder = train("generative", "--objective", "options", "--validation-data", question_file)
    losses, validated = values(folder, "loss"), values(folder, "eval_loss")
    untrained = [log_likelihoods(tiny_model, tiny_tokenizer, q) for q in file_questions]
    assert losses[0] == pytest.approx(entropy(untrained, file_questions), rel=1e-4)
    assert losses[-1] < 0.5 * losses[0]

    record = read_record(folder)
    assert (record["formulation"], record["objective"]) == ("generative", "options")
    results = load_scorer(str(folder), device="cpu").score_many(file_questions)
    assert {result.scorer for result in results} == {"text"}
    trained = entropy([result.scores for result in results], file_questions)
    assert trained == pytest.approx(min(validated), rel=1e-4)
    assert trained < losses[-1]
    assert sum(result.correct for result in results) >= 30  # of 36; chance is 12.6


def test_the_objectives_are_two_and_completion_is_the_usual_one(train):
    usual, named, other = (
        train("generative", "--max-steps", 2, *flags)
        for flags in ([], ["--objective", "completion"], ["--objective", "options"])
    )
    assert read_record(usual)["objective"] == read_record(named)["objective"] == "completion"
    assert values(usual, "loss") == values(named, "loss")
    assert values(usual, "loss")[0] != pytest.approx(values(other, "loss")[0], rel=0.1)


def test_accumulated_batches_and_checkpointing_change_no_options_loss(train):
    settings = ["--objective", "options", "--max-steps", 3]
    whole = values(train("generative", *settings), "loss")
    leaner = train("generative", *settings, "--gradient-checkpointing")
    assert values(leaner, "loss") == pytest.approx(whole, rel=1e-4)
    parts = train("generative", *settings, "--batch-size", 9, "--accumulation", 4)
    assert values(parts, "loss") == pytest.approx(whole, rel=1e-3)


def test_options_are_learned_one_question_at_a_time(train, file_questions):
    """As many as an epoch's last batch may hold."""
    settings = ["--objective", "options", "--batch-size", 1, "--max-steps", 2]
    folder = train("generative", *settings)
    assert min(values(folder, "loss")) > 0
    tensors = load_file(folder / "adapter_model.safetensors").values()
    assert all(tensor.isfinite().all() for tensor in tensors)


def test_options_are_learned_in_four_bits(train):
    settings = ["--quantization", "nf4", "--dtype", "bfloat16", "--optimizer", "adamw_8bit"]
    losses = values(train("generative", "--objective", "options", *settings), "loss")
    assert losses[-1] < 0.8 * losses[0]


@pytest.fixture(scope="module")
def odd_questions(file_questions):
    """The questions with labels that cannot be learned: accuracy goes up and down."""
    chance = random.Random(1)
    return [replace(q, label=chance.randrange(len(q.options))) for q in file_questions]


def test_the_step_with_the_best_accuracy_is_kept(train, formulation, odd_questions, tmp_path):
    path = tmp_path / "odd.jsonl"
    rows = [{"question": q.stem, "options": q.options, "label": q.label} for q in odd_questions]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ["--validation-data", path, "--lora-dropout", 0, "--learning-rate", 3e-2]
    settings += ["--batch-size", 2, "--max-steps", 8, "--seed", 4]
    folder = train(formulation, *settings, "--best-metric", "accuracy")
    accuracies = values(folder, "eval_accuracy")
    losses = values(folder, "eval_loss")
    best = max(accuracies)
    assert len(accuracies) == len(losses) == 8
    assert accuracies.index(best) not in (7, losses.index(min(losses)))
    record = read_record(folder)
    assert (record["best_metric"], record["best_validation_value"]) == ("accuracy", best)
    assert record["best_step"] == 1 + accuracies.index(best)
    results = load_scorer(str(folder), device="cpu").score_many(odd_questions)
    assert sum(result.correct for result in results) / 36 == pytest.approx(best)


def test_measuring_accuracy_changes_no_loss(train, formulation, question_file):
    settings = ["--max-steps", 3]
    plain = values(train(formulation, *settings), "loss")
    settings += ["--validation-data", question_file, "--best-metric", "accuracy"]
    measured = train(formulation, *settings)
    assert values(measured, "loss") == pytest.approx(plain, rel=1e-5)


def test_the_accuracy_is_told_while_training(command, training, question_file, tmp_path):
    settings = ["--validation-data", question_file, "--best-metric", "accuracy", "--max-steps", 1]
    result = command("train", "generative", *training, *settings, "--output", tmp_path / "run")
    (accuracy,) = values(tmp_path / "run", "eval_accuracy")
    assert f"accuracy {accuracy:.3f}" in result.err


def test_accuracy_is_only_measured_where_it_decides(train, question_file):
    folder = train("generative", "--max-steps", 1, "--validation-data", question_file)
    assert len(values(folder, "eval_loss")) == 1
    assert not values(folder, "eval_accuracy")


def test_a_head_is_not_trained_on_completions(refused, training, tmp_path):
    settings = ["--objective", "completion", "--output", tmp_path / "run"]
    message = refused("train", "multiple-choice", *training, *settings)
    assert "objective 'completion' does not go with multiple_choice: use options" in message
    assert not (tmp_path / "run").exists()


def test_an_objective_that_does_not_exist_is_refused(refused, training, tmp_path):
    settings = ["--objective", "letters", "--output", tmp_path / "run"]
    message = refused("train", "generative", *training, *settings)
    assert "objective = 'letters'" in message
    assert "'completion' or 'options'" in message


def test_a_best_metric_needs_validation(refused, training, tmp_path):
    settings = ["--best-metric", "accuracy", "--output", tmp_path / "run"]
    message = refused("train", "generative", *training, *settings)
    assert "best_metric needs validation_data or validation_split" in message
    assert not (tmp_path / "run").exists()
