"""What holds for every formulation under every quantization, once a run is finished."""

import math

import pytest
import torch

from mcqa.scoring.loading import load_scorer
from mcqa.scoring.scorer import Scorer

SIDES = 2 * (128 + 96 + 96 + 128 + 3 * 192)  # in + out of all projections of two layers


@pytest.fixture
def reloaded(trained):
    return load_scorer(trained.folder, device="cpu")


def test_the_loss_falls(trained):
    assert len(trained.losses) == trained.record["steps"] == trained.config.max_steps
    assert trained.losses[-1] < 0.8 * trained.losses[0]
    assert all(map(math.isfinite, trained.losses))


def test_an_untrained_head_starts_at_chance(trained, tiny_questions):
    if trained.formulation.NAME == "multiple_choice":
        chance = sum(math.log(len(q.options)) for q in tiny_questions) / len(tiny_questions)
        assert trained.losses[0] == pytest.approx(chance, rel=1e-3)


def test_as_many_numbers_train_as_the_formula_says(trained):
    head = 64 if trained.record["head"] else 0
    assert trained.record["trainable_parameters"] == 4 * SIDES + head


def test_only_adapter_and_head_changed(trained, tiny_model_folder):
    fresh = trained.formulation.load_backbone(
        str(tiny_model_folder),
        quantization=trained.config.quantization,
        dtype=trained.config.dtype,
        device="cpu",
    ).state_dict()
    base = {
        name.replace(".base_layer", "").replace(".original_module", ""): tensor
        for name, tensor in trained.model.get_base_model().state_dict().items()
        if "lora_" not in name and "modules_to_save" not in name
    }
    assert base.keys() == fresh.keys()
    assert all(torch.equal(base[name], fresh[name]) for name in fresh if fresh[name] is not None)


def test_every_adapted_layer_and_the_head_moved(trained):
    moved = [
        bool(parameter.any())
        for name, parameter in trained.model.named_parameters()
        if "lora_B" in name or "modules_to_save" in name
    ]
    assert len(moved) == 2 * 7 + (1 if trained.record["head"] else 0)
    assert all(moved)


@pytest.mark.bits
def test_a_loaded_run_scores_bit_for_bit_as_the_model_in_memory(trained, reloaded, tiny_questions):
    model = trained.model.eval().get_base_model()
    name = trained.formulation.default_scorer(None)
    in_memory = Scorer(model, trained.tokenizer, trained.encoder, name, trained.formulation)
    expected = in_memory.score_many(tiny_questions)
    assert reloaded.score_many(tiny_questions) == expected
    assert load_scorer(trained.folder, device="cpu").score_many(tiny_questions) == expected


def test_training_taught_what_it_was_given(reloaded, tiny_questions):
    results = reloaded.score_many(tiny_questions)
    assert sum(p.correct for p in results) >= 27  # of 36; chance is 12.6


def test_predictions_keep_their_promises(trained, reloaded, tiny_questions):
    results = reloaded.score_many(tiny_questions, batch_size=7)
    unit = {"generative": "nats", "multiple_choice": "logit"}[trained.formulation.NAME]
    for question, result in zip(tiny_questions, results, strict=True):
        assert (result.id, result.label) == (question.id, question.label)
        assert (result.unit, result.scorer) == (unit, trained.formulation.default_scorer(None))
        assert len(result.scores) == len(result.probabilities) == len(question.options)
        assert sum(result.probabilities) == pytest.approx(1)
        assert result.scores[result.choice] == max(result.scores)


def test_tokens_are_those_of_the_prefix_once_and_every_option(
    reloaded, tiny_questions, tiny_tokenizer
):
    question = tiny_questions[1]
    prefix = tiny_tokenizer(f"Question: {question.stem}\nAnswer:")["input_ids"]
    options = [f" {option}" for option in question.options]
    lengths = map(len, tiny_tokenizer(options, add_special_tokens=False)["input_ids"])
    assert reloaded.score(question).tokens == len(prefix) + sum(lengths)


def test_a_batch_size_changes_no_score(trained, tiny_questions):
    scorer = load_scorer(trained.folder, device="cpu", dtype="float32")
    questions = tiny_questions[:12]
    # int8 rounds the activations, row by row, so a last bit of float32 can become a step of it.
    tolerance = (
        {"abs": 0.05} if trained.config.quantization == "int8" else {"rel": 1e-4, "abs": 1e-5}
    )
    whole = scorer.score_many(questions, batch_size=12)
    for result, other in zip(whole, scorer.score_many(questions, batch_size=1), strict=True):
        assert result.scores == pytest.approx(other.scores, **tolerance)


def test_the_record_says_what_was_done(trained, question_file, tiny_model_folder):
    record, config = trained.record, trained.config
    assert record["formulation"] == trained.formulation.NAME
    assert record["base_model"] == str(tiny_model_folder)
    assert (record["template"], record["quantization"]) == ("cloze", config.quantization)
    assert record["dtype"] == {"auto": "bfloat16", "float32": "float32"}[config.dtype]
    # The model's positions, one for the token that ends a completion; 512 were allowed.
    assert record["max_length"] == 256 - (record["objective"] == "completion")
    assert record["settings"] == config.model_dump(mode="json")
    assert record["train"]["sets"][0]["source"] == str(question_file)
    assert (record["train"]["n"], record["validation"], record["seed"]) == (36, None, 0)
    assert record["train_loss"] == pytest.approx(sum(trained.losses) / 8, rel=1e-3)
