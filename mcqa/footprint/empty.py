"""A model of the right sizes without weights: on the device `meta`, or of zeros elsewhere.

Built from a configuration by the code that trains. On a CPU zeros that nobody writes to take no
memory, so wide layers can run for real.
"""

import bitsandbytes as bnb
import torch
from torch import nn
from transformers import BitsAndBytesConfig
from transformers.quantizers import AutoHfQuantizer

from mcqa.errors import ConfigError
from mcqa.footprint.plan import Plan, own_tensors
from mcqa.models.backbones import own_quantization, quantization_config, suit_device


def build_empty(plan: Plan, device: str) -> tuple[nn.Module, dict[str, int]]:
    """Return what `Plan.build` does; the device is `meta`, or that of the plan.

    Raises:
        ConfigError: the recipe does not go with the model, or the checkpoint comes quantized in a
            way that is not known here.
        ModelError: there is no configuration, or not of a model of this formulation.
    """
    quantization, own = plan.config.quantization, own_quantization(plan.path)
    if own and own.get("quant_method", "bitsandbytes") != "bitsandbytes":
        raise ConfigError(
            f"model {plan.path!r} comes quantized by {own['quant_method']}, whose sizes are not "
            "known here; name the model before quantization."
        )
    with torch.device("meta"):
        model = plan.formulation.empty_backbone(plan.path, head=plan.head, dtype=plan.dtype)
    if device != "meta":
        model.to_empty(device=device)
        for tensor in own_tensors(model):
            tensor.data = torch.zeros_like(tensor)
        model.tie_weights()
    if own:
        _quantize(model, BitsAndBytesConfig.from_dict(own), plan, device)
    elif quantization != "none":
        _quantize(model, quantization_config(quantization, plan.dtype), plan, device)
    suit_device(model, plan.device).requires_grad_(False).eval()
    with torch.device(device):
        return plan.build(model)


def _quantize(model: nn.Module, settings: BitsAndBytesConfig, plan: Plan, device: str) -> None:
    """Quantize zeros where loading quantizes weights."""
    # bitsandbytes keeps the first table of numbers that it makes, so that one has to be real.
    bnb.functional.quantize_blockwise(torch.zeros(1))
    kind = {
        "quant_type": settings.bnb_4bit_quant_type,
        "compress_statistics": settings.bnb_4bit_use_double_quant,
    }
    quantizer = AutoHfQuantizer.from_config(settings)
    quantizer.preprocess_model(model, device_map={"": plan.device})
    for layer in model.modules():
        four = isinstance(layer, bnb.nn.Linear4bit)
        if not four and not isinstance(layer, bnb.nn.Linear8bitLt):
            continue
        zeros = torch.zeros(layer.out_features, layer.in_features, device=device, dtype=plan.dtype)
        if four:
            codes, state = bnb.functional.quantize_4bit(zeros, **kind)
            weight = bnb.nn.Params4bit(codes, quant_state=state, bnb_quantized=True, **kind)
            weight.module = layer
        else:
            codes, scales, _ = bnb.functional.int8_vectorwise_quant(zeros.half())
            weight = bnb.nn.Int8Params(codes, requires_grad=False, CB=codes, SCB=scales)
        layer.weight = weight
        if layer.bias is not None:
            bias = zeros.new_zeros(layer.out_features)
            layer.bias = nn.Parameter(bias, requires_grad=False)
    quantizer.postprocess_model(model)
    model.hf_quantizer = quantizer
