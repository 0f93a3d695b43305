"""LoftQ's start, and what AdaLoRA refuses."""

import copy

import numpy as np
import pytest
from bitsandbytes.functional import dequantize_4bit
from transformers import AutoModelForCausalLM

from mcqa.errors import ConfigError
from mcqa.models.backbones import load_weights
from mcqa.models.recipes.low_rank import add_adalora, add_loftq
from mcqa.models.recipes.restarts import lora_layers


@pytest.mark.parametrize("rslora", [True, False])
def test_loftq_starts_from_the_best_fit_of_the_error(tiny_model_folder, rslora):
    def load(quantization):
        return load_weights(
            AutoModelForCausalLM, str(tiny_model_folder), quantization=quantization, dtype="float32"
        )

    model = add_loftq(
        load("nf4"),
        load_original=lambda: load("none"),
        lora_r=4,
        lora_alpha=8,
        rslora=rslora,
    )
    adapted = lora_layers(model)[0]
    quantized = adapted.base_layer.weight
    weight = load("none").model.layers[0].self_attn.q_proj.weight
    error = (weight - dequantize_4bit(quantized.data, quantized.quant_state)).numpy()
    start = adapted.get_delta_weight("default").detach().numpy()
    values = np.linalg.svd(error, compute_uv=False)
    # Eckart and Young: no rank 4 comes nearer than the tail of the singular values.
    assert np.linalg.norm(error - start) == pytest.approx(np.sqrt((values[4:] ** 2).sum()), 1e-3)


def test_adalora_refuses_ranks_that_do_not_go_down(tiny_model):
    with pytest.raises(ConfigError, match="adalora_initial_rank 4 must be above"):
        add_adalora(
            copy.deepcopy(tiny_model),
            adalora_initial_rank=4,
            adalora_target_rank=4,
            lora_alpha=8,
            lora_dropout=0.0,
            target_modules=("q_proj",),
        )
