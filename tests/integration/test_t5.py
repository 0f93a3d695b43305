"""The generative formulation with an encoder-decoder: trained, reloaded, and asked every way."""

import json

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

import mcqa
from mcqa.formulations.generative import SCORERS
from mcqa.training.config import TrainingConfig
from mcqa.training.run import train


@pytest.fixture(scope="module")
def t5_folder(tiny_tokenizer, tmp_path_factory):
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tiny_tokenizer),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=tiny_tokenizer.pad_token_id,
        pad_token_id=tiny_tokenizer.pad_token_id,
        eos_token_id=tiny_tokenizer.eos_token_id,
    )
    folder = tmp_path_factory.mktemp("t5")
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("objective", ["completion", "options"])
def test_it_learns_and_comes_back(t5_folder, tiny_questions, tmp_path, objective):
    data = tmp_path / "questions.jsonl"
    rows = [{"question": q.stem, "options": q.options, "label": q.label} for q in tiny_questions]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = TrainingConfig(
        model=str(t5_folder),
        data=str(data),
        output=str(tmp_path / "run"),
        objective=objective,
        quantization="none",
        dtype="float32",
        optimizer="adamw_torch",
        batch_size=8,
        max_steps=8,
        steps_between=1,
    )
    train("generative", settings, announce=lambda line: None)
    log = [json.loads(line) for line in (tmp_path / "run" / "training_log.jsonl").open()]
    losses = [entry["loss"] for entry in log if "loss" in entry]
    assert losses[-1] < losses[0]
    first, second = (mcqa.load_scorer(tmp_path / "run", "text-mean") for _ in range(2))
    assert first.score_many(tiny_questions) == second.score_many(tiny_questions)


@pytest.mark.parametrize("scorer", SCORERS)
def test_every_scorer_answers(t5_folder, tiny_questions, scorer):
    made = mcqa.load_scorer(t5_folder, scorer, dtype="float32")
    alone = [made.score(question) for question in tiny_questions[:4]]
    together = made.score_many(tiny_questions[:4])
    assert [p.choice for p in alone] == [p.choice for p in together]
    for one, other in zip(alone, together, strict=True):
        if one.scores is not None:
            assert one.scores == pytest.approx(other.scores, rel=1e-4, abs=1e-4)
