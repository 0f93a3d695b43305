"""`mcqa recipes`, and training by a recipe from the command line."""

import json

import pytest

from mcqa.models.recipes.table import RECIPES


def test_every_recipe_is_listed_with_what_it_would_train(command, tiny_model_folder, formulation):
    head = 64 if formulation == "multiple-choice" else 0
    arguments = ["--model", tiny_model_folder, "--formulation", formulation, "--format", "json"]
    rows = json.loads(command("recipes", *arguments).out)
    assert [row["name"] for row in rows] == list(RECIPES)
    counts = {row["name"]: row["trainable_parameters"] for row in rows}
    assert counts["layernorm"] == 5 * 64 + head
    assert counts["prompt-tuning"] == 20 * 64 + head
    assert counts["loftq"] == 16 * 2 * (128 + 96 + 96 + 128 + 3 * 192) + head
    (full,) = [row for row in rows if row["name"] == "full"]
    assert full["share"] == 1
    assert full["quantization"] == "none"


def test_the_table_is_there_with_and_without_a_model(command, tiny_model_folder):
    bare = command("recipes")
    assert bare.code == 0
    assert all(name in bare.out for name in RECIPES)
    assert "trainable" not in bare.out
    assert "trainable" in command("recipes", "--model", tiny_model_folder).out


def test_a_recipe_that_the_model_is_too_small_for_says_so(command, tiny_model_folder, monkeypatch):
    monkeypatch.setattr("mcqa.models.recipes.weights.decoder_layers", lambda model: [])
    result = command("recipes", "--model", tiny_model_folder)
    assert result.code == 0
    assert "top-layers: top_layers 2: this model has 0 layers." in result.err


@pytest.mark.parametrize("recipe", ["bitfit", "prompt-tuning"])
def test_a_recipe_trains_and_scores_from_the_command_line(
    command, recipe, formulation, training, question_file, tmp_path
):
    flags = [flag for flag in training if flag not in ("--lora-r", "4")]
    run, output = tmp_path / "run", tmp_path / "predictions.jsonl"
    trained = command("train", formulation, *flags, "--recipe", recipe, "--output", run)
    assert trained.code == 0, trained.err
    assert recipe in trained.err
    assert json.loads((run / "run.json").read_text())["recipe"] == recipe
    assert recipe in (run / "README.md").read_text()
    scored = command("score", "--model", run, "--data", question_file, "--output", output)
    assert scored.code == 0, scored.err
    assert len(output.read_text().splitlines()) == 36
