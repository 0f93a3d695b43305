"""`mcqa memory`: estimated from a configuration, and measured in a process of its own."""

import json

import pytest
import torch

from mcqa.footprint.plan import Plan, Shape, n_bytes
from mcqa.training.config import TrainingConfig

EXACT = ("weights", "adapter", "gradients", "optimizer")
SMALL = ["--batch-size", "2", "--length", "48", "--option-length", "4", "--device", "cpu"]


@pytest.mark.parametrize(
    ("formulation", "recipe"), [("generative", "full"), ("multiple-choice", "qlora")]
)
def test_what_is_measured_is_what_was_estimated(
    command, tiny_model_folder, tmp_path, formulation, recipe
):
    path = tmp_path / "memory.json"
    which = ["--model", tiny_model_folder, "--formulation", formulation, "--recipe", recipe]
    result = command("memory", *which, *SMALL, "--measure", "--output", path)
    assert result.code == 0, result.err
    assert "hold" in result.out
    report = json.loads(path.read_text())
    assert report["settings"]["batch_size"] == 2
    for part in EXACT:
        assert report["predicted"][part] == report["measured"][part], part
    assert report["predicted"]["total"] == sum(report["predicted"]["at_peak"].values())
    assert report["measured"]["baseline"] > 100_000_000


def test_settings_come_from_a_training_configuration_too(command, tiny_model_folder, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"model: {tiny_model_folder}\nlora_r: 8\nbatch_size: 3\nepochs: 7\n")
    arguments = ["--config", config, "--device", "cpu", "--format", "json", "--length", "48"]
    report = json.loads(command("memory", *arguments).out)
    assert report["settings"]["batch_size"] == 3
    assert report["measured"] is None
    assert report["predicted"]["adapter"] == 8 * 4 * 2 * (128 + 96 + 96 + 128 + 3 * 192)


@pytest.mark.model
def test_the_embedded_models_total_is_within_15_percent(command):
    which = "--model smollm2-135m --recipe qlora --batch-size 4 --length 128 --device cpu"
    result = command("memory", *which.split(), "--measure", "--format", "json")
    report = json.loads(result.out)
    assert report["ratio"]["total"] == pytest.approx(1, abs=0.15)
    assert report["ratio"]["activations"] == pytest.approx(1, abs=0.15)
    assert [report["ratio"][part] for part in EXACT] == [1, 1, 1, 1]


def held_by_linear_layers(settings):
    """Return the bytes of weights, gradients and state of linear layers, and of their adapters."""
    config = TrainingConfig(model="smollm2-135m", device="cpu", **settings)
    plan = Plan("generative", config, Shape(1, 32, 4, 4), print)
    backbone = plan.formulation.load_backbone(
        plan.path, dtype=config.dtype, quantization=config.quantization, device="cpu"
    )
    model, _ = plan.build(backbone)
    optimizer = plan.make_optimizer(model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    optimizer.step()
    linear = [p for name, p in model.named_parameters() if "_proj." in name]
    held = [*linear, *(p.grad for p in linear)]
    for parameter in linear:
        held += optimizer.state.get(parameter, {}).values()
    return n_bytes(held)


@pytest.mark.model
def test_qlora_holds_a_tenth_of_what_full_fine_tuning_holds_for_the_linear_layers():
    qlora = held_by_linear_layers({"recipe": "qlora"})
    assert qlora <= 0.10 * held_by_linear_layers({"recipe": "full"})
