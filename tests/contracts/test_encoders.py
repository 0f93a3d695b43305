"""Encoders through the road of the decoders: the same promises, one row per option."""

import dataclasses
import random

import pytest
import torch
from encoders import save
from safetensors.torch import load_file
from transformers import AutoModelForMultipleChoice

from heads.encoder import head_modules
from mcqa.errors import ConfigError, ModelError
from mcqa.export.merge import merge_run
from mcqa.question import Question
from mcqa.scoring.loading import load_scorer

KINDS = ("bert", "roberta", "deberta-v2", "modernbert")
WORDS = ("pear", "hammer", "saw", "nail", "wrench", "plum", "table", "water", "two", "New York")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model folder of each kind."""
    return {name: save(name, tmp_path_factory.mktemp(name)) for name in KINDS}


@pytest.fixture(scope="module", params=KINDS)
def run(request, folders, tiny_training):
    return tiny_training("multiple_choice", model=str(folders[request.param]), max_steps=12)


@pytest.fixture(scope="module")
def scorer(run):
    return load_scorer(run.folder, device="cpu")


def questions_of(sizes):
    """Return a question of every size, their options drawn from WORDS."""
    chance = random.Random(0)
    stem = "Which of these is a fruit?"
    return [
        Question(id=f"of {size}", stem=stem, options=tuple(chance.sample(WORDS, size)), label=0)
        for size in sizes
    ]


def test_it_learns_and_comes_back(run, scorer, tiny_questions):
    assert run.losses[-1] < 0.8 * run.losses[0]
    results = scorer.score_many(tiny_questions)
    assert sum(p.correct for p in results) >= 27  # of 36; chance is 12.6
    assert load_scorer(run.folder, device="cpu").score_many(tiny_questions) == results
    in_memory = run.model.eval().get_base_model()
    scorer_in_memory = load_scorer(run.folder, device="cpu")
    scorer_in_memory.model = in_memory
    assert scorer_in_memory.score_many(tiny_questions) == results


def test_adapter_pooler_and_classifier_moved_and_nothing_else(run, folders):
    fresh = run.formulation.load_backbone(run.config.model, dtype="float32", device="cpu")
    names = head_modules(fresh)
    base = {
        name.replace(".base_layer", ""): tensor
        for name, tensor in run.model.get_base_model().state_dict().items()
        if not any(part in name for part in ("lora_", "modules_to_save", "original_module"))
    }
    expected = {
        name: tensor
        for name, tensor in fresh.state_dict().items()
        if not name.startswith(tuple(f"{head}." for head in names))
    }
    assert base.keys() == expected.keys()
    assert all(torch.equal(base[name], expected[name]) for name in base)
    trained = {n: p for n, p in run.model.named_parameters() if p.requires_grad}
    moved = [p for name, p in trained.items() if "lora_B" in name or "modules_to_save" in name]
    assert all(parameter.any() for parameter in moved)
    saved = load_file(f"{run.folder}/adapter_model.safetensors")
    assert sum(tensor.numel() for tensor in saved.values()) == run.record["trainable_parameters"]
    for head in names:
        assert any(f".{head}." in name for name in saved)
    assert not any(
        f"{head}." in target for head in names for target in run.record["target_modules"]
    )


def test_scores_follow_the_options_and_nothing_else(scorer):
    questions = questions_of(range(2, 11))
    together = scorer.score_many(questions, batch_size=4)
    for question, result in zip(questions, together, strict=True):
        assert len(result.scores) == len(question.options)
        alone = scorer.score(dataclasses.replace(question, label=None))
        assert alone.scores == pytest.approx(result.scores, rel=1e-4, abs=1e-5)
        turned = dataclasses.replace(question, options=question.options[::-1], label=1)
        assert scorer.score(turned).scores == pytest.approx(alone.scores[::-1], rel=1e-4, abs=1e-5)
    assert len({round(score, 6) for score in together[-1].scores}) == 10


def test_scores_and_tokens_are_those_of_transformers_own_class(run, scorer, tmp_path):
    result = merge_run(run.folder, str(tmp_path / "merged"), device="cpu", dtype="float32")
    plain, loading = AutoModelForMultipleChoice.from_pretrained(
        result["folder"], output_loading_info=True
    )
    assert type(plain).__module__.startswith("transformers.")
    assert not any(loading.values())
    merged = load_scorer(result["folder"], device="cpu", dtype="float32")
    (question,) = questions_of([5])
    tokenizer = scorer.tokenizer
    tokenizer.padding_side = "right"
    pairs = tokenizer(
        [f"Question: {question.stem}\nAnswer:"] * 5,
        [f" {option}" for option in question.options],
        padding=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        own = plain.eval()(**{k: v[None] for k, v in pairs.items()}).logits[0].tolist()
    close = {"rel": 1e-3, "abs": 1e-4}
    assert merged.score(question).scores == pytest.approx(own, **close)
    assert scorer.score(question).scores == pytest.approx(own, **close)
    assert scorer.score(question).tokens == int(pairs["attention_mask"].sum())


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_quantized_encoder_keeps_its_head_in_float(
    kind, quantization, folders, tiny_training, tiny_questions
):
    run = tiny_training(
        "multiple_choice",
        model=str(folders[kind]),
        quantization=quantization,
        dtype="bfloat16",
        max_steps=2,
        loss="listwise",
    )
    model = load_scorer(run.folder, device="cpu").model
    assert any("bit" in type(module).__name__ for module in model.modules())
    for name in head_modules(model):
        parameters = list(model.get_submodule(name).parameters())
        assert {parameter.dtype for parameter in parameters} == {torch.float32}
    first, second = (load_scorer(run.folder, device="cpu") for _ in range(2))
    assert first.score_many(tiny_questions) == second.score_many(tiny_questions)


def test_settings_of_a_decoders_head_are_refused(folders, tiny_training):
    with pytest.raises(ConfigError, match="pooling, lm_loss_weight: only for the head of dec"):
        tiny_training(
            "multiple_choice", model=str(folders["bert"]), pooling="mean", lm_loss_weight=0.5
        )


def test_an_encoder_is_no_generator(folders, tiny_training):
    with pytest.raises(ModelError, match="is an encoder"):
        tiny_training("generative", model=str(folders["roberta"]))
    with pytest.raises(ModelError, match="mcqa train multiple-choice"):
        load_scorer(str(folders["roberta"]), device="cpu")


def test_the_harness_is_refused_an_encoder(run):
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness comes with the extra 'harness'")
    from mcqa.scoring.harness import HarnessModel

    with pytest.raises(ConfigError, match="reads pairs of texts"):
        HarnessModel(run.folder, device="cpu")


def test_training_goes_on_from_an_encoders_run(folders, tiny_training):
    first = tiny_training("multiple_choice", model=str(folders["bert"]), loss="binary", max_steps=6)
    second = tiny_training("multiple_choice", model=first.folder, max_steps=2)
    assert second.record["head"] == first.record["head"]
    assert second.record["target_modules"] == first.record["target_modules"]
    assert second.losses[0] < first.losses[0]
