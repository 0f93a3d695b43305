"""A merged run is a plain folder that answers as the run did."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForMultipleChoice, GPT2Config

from mcqa.errors import ConfigError, ModelError
from mcqa.export.merge import describe, merge_run
from mcqa.models.backbones import load_tokenizer, load_weights
from mcqa.scoring.loading import load_scorer

AUTO = {"generative": AutoModelForCausalLM, "multiple_choice": AutoModelForMultipleChoice}


@pytest.fixture(scope="module", params=["nf4", "int8", "none"])
def run(request, formulation_name, tiny_training):
    """A run that computes in float32, so that nothing but the merge can move a score."""
    settings = {"quantization": request.param, "dtype": "float32", "max_steps": 4}
    return tiny_training(formulation_name, **settings)


@pytest.fixture
def merged(run, tiny_questions, tmp_path):
    folder = str(tmp_path / "merged")
    return merge_run(run.folder, folder, device="cpu", questions=tiny_questions)


def test_a_merged_run_is_a_plain_model_that_scores_as_the_run(run, merged, tiny_questions):
    model, loading = AUTO[run.formulation.NAME].from_pretrained(
        merged["folder"], output_loading_info=True
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert not hasattr(model.config, "quantization_config")
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert not any("lora" in name for name, _ in model.named_parameters())
    before = load_scorer(run.folder, device="cpu")
    after = load_scorer(merged["folder"], device="cpu", dtype="float32")
    assert (after.name, after.formulation) == (before.name, before.formulation)
    # int8 multiplies rounded activations, which no plain model does.
    close = {"abs": 0.5} if run.config.quantization == "int8" else {"rel": 1e-3, "abs": 1e-3}
    pairs = zip(before.score_many(tiny_questions), after.score_many(tiny_questions), strict=True)
    for one, other in pairs:
        assert one.scores == pytest.approx(other.scores, **close)


def test_the_result_counts_what_changed(run, merged, tiny_questions):
    scorers = (
        load_scorer(run.folder, device="cpu"),
        load_scorer(merged["folder"], device="cpu", dtype="float32"),
    )
    before, after = (scorer.score_many(tiny_questions) for scorer in scorers)
    changed = [a.choice != b.choice for a, b in zip(before, after, strict=True)]
    assert merged["n"] == 36
    assert merged["accuracy_before"] == sum(p.correct for p in before) / 36
    assert merged["accuracy_after"] == sum(p.correct for p in after) / 36
    assert merged["changed"] == sum(changed)
    lines = describe(merged)
    assert lines[1].startswith("accuracy before")
    assert lines[3].endswith("answers changed")


def test_a_merge_is_refused_before_anything_is_loaded(tiny_model_folder, tiny_training, tmp_path):
    with pytest.raises(ConfigError, match="is not a run folder"):
        merge_run(str(tiny_model_folder), str(tmp_path / "x"))
    run = tiny_training("multiple_choice", max_steps=1)
    with pytest.raises(ConfigError, match="not an empty folder"):
        merge_run(run.folder, run.folder)
    kept = tmp_path / "kept.txt"
    kept.write_text("mine")
    with pytest.raises(ConfigError, match="not an empty folder"):
        merge_run(run.folder, str(tmp_path))
    assert kept.read_text() == "mine"


def test_a_damaged_adapter_is_not_merged(tiny_training, tmp_path):
    run = tiny_training("multiple_choice", max_steps=1)
    path = Path(run.folder) / "adapter_model.safetensors"
    tensors = load_file(path)
    save_file({k: v + 1 for k, v in tensors.items()}, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="checksum"):
        merge_run(run.folder, str(tmp_path / "merged"), device="cpu")
    assert not (tmp_path / "merged").exists()


def test_a_merge_of_a_4_bit_gpt2_has_gpt2s_own_layers(
    tiny_tokenizer, tiny_training, tiny_questions, tmp_path
):
    """Its Conv1D layers hold their weights the other way round; quantizing makes them linear."""
    config = GPT2Config(vocab_size=len(tiny_tokenizer), n_embd=64, n_layer=2, n_head=4)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "gpt2")
    tiny_tokenizer.save_pretrained(tmp_path / "gpt2")
    run = tiny_training(
        "multiple_choice", model=str(tmp_path / "gpt2"), quantization="nf4", max_steps=4
    )
    folder = str(tmp_path / "merged")
    merge_run(run.folder, folder, device="cpu")
    before = load_scorer(run.folder, device="cpu").score_many(tiny_questions)
    after = load_scorer(folder, device="cpu", dtype="float32").score_many(tiny_questions)
    for one, other in zip(before, after, strict=True):
        assert one.scores == pytest.approx(other.scores, rel=1e-3, abs=1e-3)


def test_a_head_is_never_quantized_on_a_checkpoint_that_others_quantized(
    tiny_model_folder, tmp_path, tiny_training, tiny_questions
):
    """A 4-bit folder whose list of exceptions does not know our head trains, loads and merges."""
    quantized = load_weights(
        AutoModelForCausalLM, str(tiny_model_folder), quantization="nf4", device="cpu"
    )
    folder = tmp_path / "nf4"
    quantized.save_pretrained(folder)
    load_tokenizer(str(tiny_model_folder)).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"]["llm_int8_skip_modules"] = ["lm_head"]
    (folder / "config.json").write_text(json.dumps(config))
    run = tiny_training("multiple_choice", model=str(folder), quantization="nf4", dtype="auto")
    layers = run.model.get_base_model()
    kinds = {type(m).__name__ for m in layers.modules()}
    assert "Linear4bit" in kinds
    head = layers.option_head.modules_to_save["default"]
    assert type(head).__name__ == "OptionHead"
    assert head.weight.dtype == torch.float32
    reloaded = load_scorer(run.folder, device="cpu").score_many(tiny_questions)
    assert sum(p.correct for p in reloaded) >= 27
    result = merge_run(run.folder, str(tmp_path / "merged"), device="cpu", questions=tiny_questions)
    assert result["accuracy_after"] >= result["accuracy_before"] - 0.1
