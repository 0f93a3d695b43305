"""What `--device auto` tries on Apple's GPU, with other devices in its place."""

import pytest
import torch

from mcqa.models import apple
from mcqa.models.apple import device_fault


def test_a_device_that_computes_as_the_cpu_has_no_fault():
    assert device_fault("cpu") is None


def test_a_device_that_computes_nothing_is_told_with_its_reason():
    assert device_fault("meta").startswith("attention under a mask fails (")


@pytest.mark.parametrize(
    ("name", "told"), [("_attention", "attention under a mask"), ("_four_bit", "a 4-bit layer")]
)
@pytest.mark.parametrize("wrong", [1.2, float("nan")])
def test_a_device_that_computes_wrongly_is_found_out(monkeypatch, name, told, wrong):
    right = getattr(apple, name)

    def compute(device):
        return right("cpu") * (wrong if device == "mps" else 1)

    for other in ("_attention", "_four_bit"):
        monkeypatch.setattr(apple, other, lambda device: torch.ones(1))
    monkeypatch.setattr(apple, name, compute)
    assert device_fault("mps") == f"{told} comes out differently than on the CPU"


def test_the_4_bit_layer_that_is_tried_is_one():
    whole = apple._four_bit("cpu")
    assert whole.shape == (2, 64, 64)
    numbers = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    exact = numbers[1] @ numbers[0].T
    error = (whole[0] - exact).std() / exact.std()
    assert 0.05 < error < 0.2  # of NF4; bfloat16 alone is off by 0.003
