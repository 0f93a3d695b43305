"""Heads of every kind through the whole road: train, save, load, score, plain PEFT."""

import logging

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForMultipleChoice

from heads.branching import pack
from heads.short_attention import use_short_attention
from mcqa.errors import ConfigError
from mcqa.scoring.loading import load_scorer

BATCH = pack([[5, 6, 7], [8]], [[[9], [10, 11], [12]], [[13], [14, 15]]])
KINDS = {
    "mean": {"pooling": "mean", "head_init": "normal"},
    "attention": {"pooling": "attention", "interaction": "attention"},
    "binary": {"loss": "binary"},
    "margin": {"loss": "margin"},
    "listwise": {"loss": "listwise"},
    "smoothed": {"label_smoothing": 0.1},
    "words": {"head_init": "words", "head_words": ("A", "B"), "interaction": "attention"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_and_comes_back(kind, tiny_training, tiny_questions):
    run = tiny_training("multiple_choice", **KINDS[kind], max_steps=10)
    scorer = load_scorer(run.folder, device="cpu")
    with torch.no_grad():
        before = run.model.eval()(**BATCH.as_dict()).logits
        assert torch.equal(scorer.model(**BATCH.as_dict()).logits, before)
    assert sum(p.correct for p in scorer.score_many(tiny_questions)) >= 24  # chance is 12.6
    assert run.record["head"] == scorer.model.config.multiple_choice


def test_a_run_with_a_language_loss_has_both_scorers(tiny_training, tiny_questions):
    run = tiny_training("multiple_choice", lm_loss_weight=1.0, quantization="nf4", dtype="auto")
    untrained = load_scorer(run.config.model, "text-mean", device="cpu")
    start = sum(p.correct for p in untrained.score_many(tiny_questions))
    for name, unit in (("head", "logit"), ("text-mean", "nats"), ("text", "nats")):
        results = load_scorer(run.folder, name, device="cpu").score_many(tiny_questions)
        assert {p.unit for p in results} == {unit}
        assert sum(p.correct for p in results) >= max(20, start + 5)


def test_a_run_without_one_is_not_scored_by_text(tiny_training):
    run = tiny_training("multiple_choice", max_steps=1)
    with pytest.raises(ConfigError, match="which is multiple_choice: use head"):
        load_scorer(run.folder, "text", device="cpu")


@pytest.mark.parametrize("quantization", ["nf4", "none"])
def test_plain_peft_loads_adapter_and_head_without_a_fright(
    quantization, tiny_training, monkeypatch, caplog
):
    settings = KINDS["attention"] | {"quantization": quantization, "dtype": "bfloat16"}
    run = tiny_training("multiple_choice", **settings, max_steps=2)
    with torch.no_grad():
        before = run.model.eval()(**BATCH.as_dict()).logits
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    caplog.set_level(logging.WARNING)
    caplog.clear()
    base = run.formulation.load_backbone(
        run.config.model,
        head=run.record["head"],
        quantization=quantization,
        dtype="bfloat16",
        device="cpu",
    )
    if quantization == "none":
        base = AutoModelForMultipleChoice.from_pretrained(
            run.config.model, dtype=torch.bfloat16, multiple_choice=run.record["head"]
        )
        use_short_attention(base)  # as our loader does on a CPU; the stock kernel rounds otherwise
    model = PeftModel.from_pretrained(base, run.folder).eval()
    with torch.no_grad():
        assert torch.equal(model(**BATCH.as_dict()).logits, before)
    assert "initialized" not in caplog.text


def test_settings_of_a_head_are_refused_where_there_is_none(tiny_training):
    with pytest.raises(ConfigError, match="pooling, loss: only the multiple-choice formulation"):
        tiny_training("generative", pooling="mean", loss="margin")


def test_a_word_of_several_tokens_is_refused(tiny_training):
    with pytest.raises(ConfigError, match=r"'hammer saw' is [2-9] tokens"):
        tiny_training(
            "multiple_choice", head_init="words", head_words=("A", "hammer saw"), max_steps=1
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"head_init": "words"},
        {"head_words": ("A", "B")},
        {"label_smoothing": 0.1, "loss": "binary"},
    ],
)
def test_settings_of_a_head_that_do_not_go_together_are_refused(settings, tiny_training):
    with pytest.raises(ValueError, match=r"head_words|label_smoothing"):
        tiny_training("multiple_choice", **settings)
