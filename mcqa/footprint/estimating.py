"""Estimate what a training step takes, from a model's configuration alone.

Weights, adapter, gradients and the optimizer's state are counted on the device `meta`. What the
forward pass keeps is counted on models of zeros, full width and two depths, and drawn on in a line
to all layers: zeros that nobody writes to take no memory on a CPU. The rest is arithmetic.
"""

import weakref
from itertools import chain

import bitsandbytes as bnb
import torch
from transformers import BitsAndBytesConfig
from transformers.quantizers import AutoHfQuantizer

from mcqa.errors import ConfigError
from mcqa.footprint.plan import Plan, of_training, storages
from mcqa.models import backbones
from mcqa.models.recipes.weights import decoder_layers
from mcqa.system.quiet import quiet_loading
from mcqa.training.devices import Machine
from mcqa.training.loop import loss_of

BESIDE_TENSORS = 50_000_000  # code, scratch space and modules on a CPU; 34 to 62 MB were measured
COPIES = {"adamw_torch": 2, "adamw_8bit": 3}  # of the largest gradient, while a CPU takes it


def estimate(plan: Plan) -> dict:
    """Return what a training step would take, in bytes.

    Returns:
        `weights`, `adapter`, `gradients`, `optimizer`, `activations`; `at_peak`: how much of each,
        and of `temporaries`, is there at the highest moment of a step; `total`: the sum of that.

    Raises:
        McqaError: the model is not known or cannot be built, or the recipe does not go with it.
    """
    with quiet_loading():
        model, sizes = _empty(plan, "meta")
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter)
        optimizer = plan.make_optimizer(model)
        optimizer.step()
        sizes |= of_training(optimizer)
        # The first layer that passes gradients on keeps other things than those behind it.
        depths = (fewest := max(2, plan.config.top_layers)), fewest + 1
        plain = [_kept(plan, depth, checkpointing=False) for depth in depths]
        layer, kept, again = sum(plain[1]) - sum(plain[0]), plain, 0
        if plan.config.gradient_checkpointing:
            kept, again = [_kept(plan, depth, checkpointing=True) for depth in depths], layer
        first, second = map(sum, kept)
        sizes["activations"] = first + (len(decoder_layers(model)) - fewest) * (second - first)
    largest = 2 * max(plain[0])  # the gradient of the logits, and what it is made of
    update = sizes["gradients"] if plan.optimizer == "adamw_torch" else 0  # all at once
    if plan.device == "cpu":
        update = COPIES[plan.optimizer] * max(parameter.grad.nbytes for parameter in trained)
    moments = (  # the backward pass begins, it ends, the optimizer steps
        {"gradients": 0, "temporaries": largest + again},
        {"activations": layer, "temporaries": largest},
        {"activations": 0, "temporaries": update},
    )
    at_peak = max((sizes | moment for moment in moments), key=lambda parts: sum(parts.values()))
    at_peak["temporaries"] += BESIDE_TENSORS if plan.device == "cpu" else 0
    return sizes | {"at_peak": at_peak, "total": sum(at_peak.values())}


def _kept(plan: Plan, depth: int, *, checkpointing: bool) -> list[int]:
    """Return the bytes of each piece of memory that the forward pass of so many layers keeps."""
    model, _ = _empty(plan, plan.device, depth)
    if checkpointing:  # reentrant: the other kind shows its layers' inputs to no hook
        backbones.checkpoint_activations(model, {"use_reentrant": True})
    saved = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(weakref.ref(alias := tensor.detach()))  # gone where no gradient needs it
        return alias

    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda alias: alias)
    with hooks, Machine(plan.device, plan.dtype).mixed():
        loss = loss_of(model, plan.batch)
    kept = storages(alias() for alias in saved)
    del loss  # which kept them
    others = kept.keys() - storages(chain(model.parameters(), model.buffers())).keys()
    return [kept[each].nbytes() for each in others]


def _empty(plan: Plan, device: str, depth: int | None = None):
    """Return what `Plan.build` does, for a model of zeros with so many layers, by default all."""
    name, own = plan.config.quantization, backbones.own_quantization(plan.path)
    if own and own.get("quant_method", "bitsandbytes") != "bitsandbytes":
        raise ConfigError(
            f"model {plan.path!r} comes quantized by {own['quant_method']}, whose sizes are not "
            "known here; name the model before quantization."
        )
    with torch.device("meta"):
        model = plan.formulation.empty_backbone(plan.path, head=plan.head, dtype=plan.dtype)
    if depth:
        del decoder_layers(model)[depth:]
    if device != "meta":
        model.to_empty(device=device)
        for tensor in chain(model.parameters(), model.buffers()):
            tensor.data = torch.zeros_like(tensor)
        model.tie_weights()
    if own or name != "none":
        quantized = backbones.quantization_config
        given = BitsAndBytesConfig.from_dict(own) if own else quantized(name, plan.dtype)
        _quantize(model, given, plan, device)
    backbones.suit_device(model, plan.device).requires_grad_(False).eval()
    with torch.device(device):
        return plan.build(model)


def _quantize(model: torch.nn.Module, given: BitsAndBytesConfig, plan: Plan, device: str) -> None:
    """Quantize zeros where loading quantizes weights."""
    # bitsandbytes keeps the first table of numbers that it makes, so that one has to be real.
    bnb.functional.quantize_blockwise(torch.zeros(1))
    quantizer = AutoHfQuantizer.from_config(given)
    quantizer.preprocess_model(model, device_map={"": plan.device})
    four_bit = {"quant_type": given.bnb_4bit_quant_type}
    four_bit["compress_statistics"] = given.bnb_4bit_use_double_quant
    kinds = bnb.nn.Linear4bit | bnb.nn.Linear8bitLt
    for layer in [module for module in model.modules() if isinstance(module, kinds)]:
        zeros = torch.zeros(layer.out_features, layer.in_features, dtype=plan.dtype, device=device)
        if given.load_in_4bit:
            codes, state = bnb.functional.quantize_4bit(zeros, **four_bit)
            more = {"quant_state": state, "bnb_quantized": True, "module": layer}
            layer.weight = bnb.nn.Params4bit(codes, **four_bit, **more)
        else:
            codes, scales, _ = bnb.functional.int8_vectorwise_quant(zeros.half())
            layer.weight = bnb.nn.Int8Params(codes, requires_grad=False, CB=codes, SCB=scales)
        if layer.bias is not None:
            layer.bias = torch.nn.Parameter(zeros.new_zeros(len(zeros)), requires_grad=False)
    quantizer.postprocess_model(model)
    model.hf_quantizer = quantizer
