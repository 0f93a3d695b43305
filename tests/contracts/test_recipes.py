"""What holds for every recipe in both formulations, once a run is finished."""

import json
import re
from pathlib import Path

import pytest
import torch
from encoders import save
from moved import move

from heads.alignment import is_aligned
from heads.branching import pack, pack_rows
from heads.likelihood import option_log_likelihoods
from mcqa.errors import ConfigError, ModelError
from mcqa.export.merge import merge_run
from mcqa.models.recipes.building import scoring_model
from mcqa.models.recipes.table import DEFAULT, RECIPES
from mcqa.scoring.loading import load_scorer
from mcqa.scoring.scorer import Scorer

STEPS = 6
LAYER = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 128 + 2 * 64  # projections and two norms
VOCABULARY = 384 * 64
SIDES = 2 * (128 + 96 + 96 + 128 + 3 * 192)  # in + out of all projections of two layers
OUTPUTS = 2 * (64 + 32 + 32 + 64 + 128 + 128 + 64)
SETTINGS = {
    "top-layers": {"top_layers": 1},
    "adapter": {"bottleneck_size": 8},
    "prefix-tuning": {"virtual_tokens": 5, "learning_rate": 0.3},
    "prompt-tuning": {"virtual_tokens": 5, "learning_rate": 0.1},
    "p-tuning": {"virtual_tokens": 5, "prompt_encoder_size": 16},
    "ia3": {"learning_rate": 0.1},
    "adalora": {"adalora_initial_rank": 6, "adalora_target_rank": 4, "learning_rate": 0.05},
    "relora": {"relora_steps": 2, "relora_warmup": 1},
}
COUNTS = {
    "full": 2 * LAYER + 64 + 2 * VOCABULARY,  # the generative one has an LM head
    "top-layers": LAYER,
    "bitfit": OUTPUTS,
    "layernorm": 5 * 64,
    "adapter": 4 * (2 * 64 * 8 + 8 + 64),
    "prefix-tuning": 5 * 2 * 2 * 32,
    "prompt-tuning": 5 * 64,
    "p-tuning": 5 * 64 + (64 * 16 + 16) + (16 * 16 + 16) + (16 * 64 + 64),
    "ia3": 2 * (32 + 32 + 128),
    "dora": 4 * SIDES + OUTPUTS,
    "adalora": 6 * (SIDES + 14),
}
# Which of the backbone's own weights move.
MOVED = {"full": r".*", "top-layers": r".*layers\.1\..*", "layernorm": r".*norm\.weight"}
ADDED = ("lora_", "ia3_", "ranknum", "bottleneck", "added_bias", "option_head")


@pytest.fixture(scope="module", params=RECIPES)
def run(request, formulation_name, tiny_training):
    """A finished run of a recipe and a formulation, in float32 where it can be."""
    name = request.param
    quantization = RECIPES[name].quantizations[0]
    if DEFAULT != name != "loftq" and "none" in RECIPES[name].quantizations:
        quantization = "none"
    settings = {"recipe": name, "quantization": quantization, "max_steps": STEPS}
    return tiny_training(formulation_name, **settings | SETTINGS.get(name, {}))


@torch.no_grad()
def scores(formulation, model, batch):
    if formulation.NAME == "generative":
        return option_log_likelihoods(model, batch)
    return model(**batch.as_dict()).logits


@pytest.fixture
def encoded(run, tiny_questions):
    each = run.encoder.encode(tiny_questions[:8])
    return [e.prefix for e in each], [e.continuations for e in each]


def test_the_loss_falls(run):
    assert len(run.losses) == STEPS
    assert min(run.losses[-2:]) < 0.95 * run.losses[0]


def test_as_many_numbers_train_as_the_formula_says(run):
    expected = COUNTS.get(run.config.recipe, 4 * SIDES)
    if run.record["head"]:
        expected += 64 - (VOCABULARY if run.config.recipe == "full" else 0)
    assert run.record["trainable_parameters"] == expected


def test_what_the_recipe_names_moved_and_nothing_else(run):
    fresh = run.formulation.load_backbone(
        run.config.model, quantization=run.config.quantization, dtype="float32", device="cpu"
    ).state_dict()
    wrapped = scoring_model(run.model)
    base = wrapped.get_base_model() if hasattr(wrapped, "get_base_model") else wrapped
    after = {
        name.replace(".base_layer", ""): tensor
        for name, tensor in base.state_dict().items()
        if not any(part in name for part in ADDED)
    }
    assert after.keys() == {name for name in fresh if "option_head" not in name}
    moved = {name for name in after if not torch.equal(after[name], fresh[name])}
    pattern = MOVED.get(run.config.recipe, "nothing")
    assert moved == {name for name in after if re.fullmatch(pattern, name)}
    if run.record["head"]:
        heads = [p for name, p in base.named_parameters() if "option_head" in name]
        assert any(bool(parameter.any()) for parameter in heads)


@pytest.mark.bits
def test_a_loaded_run_scores_bit_for_bit_as_the_model_in_memory(run, tiny_questions):
    model = scoring_model(run.model.eval())
    name = run.formulation.default_scorer(None)
    in_memory = Scorer(model, run.tokenizer, run.encoder, name, run.formulation)
    expected = in_memory.score_many(tiny_questions)
    assert load_scorer(run.folder, device="cpu").score_many(tiny_questions) == expected
    untrained = run.formulation.load_backbone(run.config.model, dtype="float32", device="cpu")
    other = Scorer(untrained, run.tokenizer, run.encoder, name, run.formulation)
    assert other.score_many(tiny_questions) != expected


def check_places(scorer, formulation, questions):
    """Ask a loaded run's scorer for the same scores, its weights elsewhere in memory."""
    expected = [scorer.score(question) for question in questions]
    together = scorer.score_many(questions)
    for offset in (4, 8, 12):
        moved = move(scorer.model, offset)
        assert not all(map(is_aligned, moved.parameters()))
        other = Scorer(moved, scorer.tokenizer, scorer.encoder, scorer.name, formulation)
        assert all(map(is_aligned, other.model.parameters()))
        assert [other.score(question) for question in questions] == expected
        assert other.score_many(questions) == together


@pytest.mark.bits
def test_no_bit_depends_on_where_weights_lie(run, tiny_questions):
    check_places(load_scorer(run.folder, device="cpu"), run.formulation, tiny_questions[:6])


@pytest.mark.bits
def test_a_second_one_beside_it_changes_no_bit_of_the_base(run, tiny_questions):
    first = load_scorer(run.folder, device="cpu")
    expected = first.score_many(tiny_questions)
    second = load_scorer(run.folder, device="cpu")
    assert second.score_many(tiny_questions) == expected
    assert first.score_many(tiny_questions) == expected
    if not RECIPES[run.config.recipe].keeps_base:
        assert first._base is second._base is None
        return
    assert first._base is second._base
    fresh = run.formulation.load_backbone(
        run.config.model,
        head=run.record["head"],
        quantization=run.config.quantization,
        dtype="float32",
        device="cpu",
    ).state_dict()
    held = first._base.state_dict()
    assert held.keys() == fresh.keys()
    assert all(torch.equal(held[n], fresh[n]) for n in fresh if fresh[n] is not None)


def test_branched_questions_score_as_one_row_per_option(run, encoded):
    model = load_scorer(run.folder, device="cpu").model
    branched = scores(run.formulation, model, pack(*encoded))
    rows = scores(run.formulation, model, pack_rows(*encoded))
    close = {"rtol": 1e-4, "atol": 1e-4}
    if run.config.quantization == "int8":  # rounds activations, row by row
        close = {"rtol": 0.05, "atol": 0.5}
    torch.testing.assert_close(branched, rows, **close)


def test_the_run_holds_no_more_than_what_was_trained(run):
    kept = 4 * run.record["trainable_parameters"]
    if run.config.recipe == "p-tuning":
        kept = 4 * (5 * 64 + (64 if run.record["head"] else 0))
    if run.config.recipe == "relora":
        kept += 4 * 2 * 4 * SIDES  # two restarts
    assert kept < run.record["adapter_bytes"] < kept + 10_000
    files = {path.name for path in Path(run.folder).iterdir()}
    assert "model.safetensors" not in files


def test_a_run_merges_or_says_why_not(run, tiny_questions, tmp_path):
    folder = str(tmp_path / "merged")
    recipe = run.config.recipe
    if not RECIPES[recipe].merges or recipe == "bitfit":
        with pytest.raises(ConfigError, match=f"'{recipe}' cannot be merged"):
            merge_run(run.folder, folder, device="cpu")
        return
    merge_run(run.folder, folder, device="cpu")
    pairs = zip(
        load_scorer(run.folder, device="cpu").score_many(tiny_questions),
        load_scorer(folder, device="cpu", dtype="float32").score_many(tiny_questions),
        strict=True,
    )
    close = {"abs": 0.5} if run.config.quantization == "int8" else {"rel": 1e-3, "abs": 1e-3}
    for one, other in pairs:
        assert one.scores == pytest.approx(other.scores, **close)


def test_a_damaged_file_is_refused(run, tmp_path):
    for path in Path(run.folder).glob("*.safetensors"):
        content = path.read_bytes()
        try:
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(ModelError, match="changed or damaged"):
                load_scorer(run.folder, device="cpu")
            path.write_bytes(content[:-100])
            with pytest.raises(ModelError, match=str(run.folder)):
                load_scorer(run.folder, device="cpu")
        finally:
            path.write_bytes(content)


def test_a_run_of_before_recipes_had_names_still_loads(run, tiny_questions):
    if run.config.recipe != DEFAULT:
        return
    path = Path(run.folder) / "run.json"
    now = path.read_text()
    record = json.loads(now)
    expected = load_scorer(run.folder, device="cpu").score_many(tiny_questions)
    del record["recipe_settings"]
    record["recipe"] = record.pop("settings")
    try:
        path.write_text(json.dumps(record))
        assert load_scorer(run.folder, device="cpu").score_many(tiny_questions) == expected
    finally:
        path.write_text(now)


# LoRA itself is in test_trained_runs.
@pytest.mark.bits
@pytest.mark.parametrize(
    "recipe", sorted(RECIPES.keys() - {"lora", "rslora", "qlora", "lora-int8", "loftq"})
)
def test_a_backbone_in_bfloat16_or_less_changes_no_promise(
    recipe, formulation_name, tiny_training, tiny_questions
):
    settings = SETTINGS.get(recipe, {}) | {"recipe": recipe, "dtype": "bfloat16", "max_steps": 2}
    allowed = RECIPES[recipe].quantizations
    settings["quantization"] = "nf4" if "nf4" in allowed else allowed[0]
    run = tiny_training(formulation_name, **settings)
    model, name = scoring_model(run.model.eval()), run.formulation.default_scorer(None)
    in_memory = Scorer(model, run.tokenizer, run.encoder, name, run.formulation)
    loaded = load_scorer(run.folder, device="cpu")
    assert loaded.score_many(tiny_questions) == in_memory.score_many(tiny_questions)
    assert run.losses[-1] < run.losses[0]


def test_a_full_run_is_not_scored_on_a_quantized_backbone(tiny_training):
    run = tiny_training("generative", recipe="full", max_steps=1)
    with pytest.raises(ConfigError, match="load it with quantization none"):
        load_scorer(run.folder, device="cpu", quantization="nf4")


@pytest.mark.parametrize("recipe", ["bitfit", "top-layers", "prompt-tuning"])
def test_gradient_checkpointing_changes_no_loss(recipe, formulation_name, tiny_training):
    settings = SETTINGS.get(recipe, {}) | {"recipe": recipe, "max_steps": 2}
    losses = [
        tiny_training(formulation_name, **settings, gradient_checkpointing=lean).losses
        for lean in (True, False)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


class TestOnTheWay:
    """Checkpoints of recipes whose state PEFT's own do not hold."""

    KEPT_BY_US = ("bitfit", "top-layers", "p-tuning", "adalora", "relora")

    @pytest.mark.parametrize("recipe", KEPT_BY_US)
    def test_a_resumed_run_ends_where_an_unbroken_one_does(
        self, recipe, tiny_training, tmp_path, monkeypatch
    ):
        settings = SETTINGS.get(recipe, {}) | {"recipe": recipe, "max_steps": 5}
        unbroken = tiny_training("multiple_choice", **settings)

        def power_cut(self, step):
            if step == 3:
                raise KeyboardInterrupt

        folder = str(tmp_path / "run")
        with monkeypatch.context() as patch:
            patch.setattr("mcqa.training.progress.TrainingLog.on_save", power_cut)
            with pytest.raises(KeyboardInterrupt):
                tiny_training("multiple_choice", **settings, output=folder)
        resumed = tiny_training("multiple_choice", **settings, output=folder, resume=True)
        assert resumed.losses == pytest.approx(unbroken.losses, rel=1e-5)
        assert resumed.record["trained_sha256"] == unbroken.record["trained_sha256"]

    def test_adalora_goes_on_with_the_ranks_it_had_cut(self, tiny_training, tmp_path, monkeypatch):
        settings = SETTINGS["adalora"] | {"recipe": "adalora", "max_steps": 10}

        def power_cut(self, step):
            if step == 9:
                raise KeyboardInterrupt

        folder = str(tmp_path / "run")
        with monkeypatch.context() as patch:
            patch.setattr("mcqa.training.progress.TrainingLog.on_save", power_cut)
            with pytest.raises(KeyboardInterrupt):
                tiny_training("multiple_choice", **settings, output=folder)
        resumed = tiny_training("multiple_choice", **settings, output=folder, resume=True)
        kept = [p for name, p in resumed.model.named_parameters() if "lora_E" in name]
        assert sum(int((values != 0).sum()) for values in kept) == 14 * 4

    @pytest.mark.parametrize("recipe", ["layernorm", "prompt-tuning", "relora"])
    def test_the_best_step_is_kept_and_scored_by_accuracy(
        self, recipe, tiny_training, tiny_questions, question_file
    ):
        run = tiny_training(
            "multiple_choice",
            **SETTINGS.get(recipe, {}),
            recipe=recipe,
            dtype="bfloat16",
            max_steps=5,
            validation_data=str(question_file),
            best_metric="accuracy",
        )
        results = load_scorer(run.folder, device="cpu").score_many(tiny_questions)
        right = sum(p.correct for p in results) / len(results)
        assert right == pytest.approx(run.record["best_validation_value"], abs=1 / 36 + 1e-9)


@pytest.mark.bits
@pytest.mark.parametrize("recipe", ["full", "bitfit", "layernorm", "ia3", "adalora", "relora"])
def test_an_encoder_trains_by_a_recipe(recipe, tiny_training, tiny_questions, tmp_path):
    run = tiny_training(
        "multiple_choice",
        **SETTINGS.get(recipe, {}),
        recipe=recipe,
        model=str(save("bert", tmp_path)),
        dtype="bfloat16",
        max_steps=3,
    )
    scorer = load_scorer(run.folder, device="cpu")
    results = scorer.score_many(tiny_questions)
    check_places(scorer, run.formulation, tiny_questions[:6])
    scorer.model = scoring_model(run.model.eval())
    assert scorer.score_many(tiny_questions) == results


def test_virtual_tokens_need_a_decoder(tiny_training, tmp_path):
    with pytest.raises(ConfigError, match="'prompt-tuning' needs a decoder"):
        tiny_training("multiple_choice", recipe="prompt-tuning", model=str(save("bert", tmp_path)))


class TestGoingOn:
    """Training that starts from a finished run."""

    @pytest.mark.parametrize("recipe", ["full", "adapter", "prompt-tuning", "ia3", "relora"])
    def test_it_starts_where_the_run_ended(self, recipe, formulation_name, tiny_training):
        settings = SETTINGS.get(recipe, {})
        first = tiny_training(formulation_name, **settings, recipe=recipe, max_steps=4)
        more = {"learning_rate": settings.get("learning_rate", 1e-2), "max_steps": 2}
        second = tiny_training(formulation_name, model=first.folder, **more, lora_r=16)
        assert second.losses[0] < first.losses[-1]
        assert second.record["recipe"] == recipe
        assert second.record["recipe_settings"] == first.record["recipe_settings"]
        assert load_scorer(second.folder, device="cpu").formulation == formulation_name

    def test_not_with_another_recipe(self, tiny_training):
        first = tiny_training("generative", recipe="bitfit", max_steps=1)
        with pytest.raises(ConfigError, match="was trained with 'bitfit'"):
            tiny_training("generative", model=first.folder, recipe="qlora")

    def test_not_from_what_a_network_wrote(self, tiny_training):
        first = tiny_training("generative", **SETTINGS["p-tuning"], recipe="p-tuning", max_steps=1)
        with pytest.raises(ConfigError, match="not the network that wrote them"):
            tiny_training("generative", model=first.folder, lora_r=16)
