"""A model of the right sizes without weights, and the operators that run on it.

Built from a configuration alone, on PyTorch's fake tensors: they have shape, type and device, and
no storage. The code that runs on them is the one that trains.

The trap: fake tensors have no values, and code that asks for some cannot go on. Token ids, masks
and positions decide what is computed, and are small; so they stay real, and only what has
fractions is fake.
"""

import copy
import functools
import math

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._pytree import tree_leaves

from mcqa.errors import ConfigError
from mcqa.footprint.ledger import Ledger
from mcqa.models.backbones import own_quantization, quantization_config, suit_device

BLOCK, OUTER_BLOCK = 64, 256  # weights that share a scale, scales that share one in turn


class Params4bit(FakeTensor):
    """A fake 4-bit weight: PEFT looks at the name of the class to see what it is."""


class Int8Params(FakeTensor):
    """A fake int8 weight, likewise."""


class DryLedger(Ledger):
    """Book operators on fake tensors, and run those on real ones in earnest."""

    def run(self, operator, args, kwargs):
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if any(isinstance(tensor, FakeTensor) for tensor in tensors):
            kernel = _python_kernels().get(str(operator))
            if kernel is None or tensors[0].device.type != "cpu":
                return operator(*args, **kwargs)
            with self:
                return kernel(*args, **kwargs)
        if not tensors and _makes_fractions(operator, args, kwargs):
            return operator(*args, **kwargs)
        with unset_fake_temporarily():
            return operator(*args, **kwargs)


def _makes_fractions(operator, args, kwargs) -> bool:
    """Say whether what an operator makes out of no tensor is of a floating type."""
    dtype = kwargs.get("dtype")
    if dtype is None and operator.overloadpacket in (torch.ops.aten.full, torch.ops.aten.arange):
        return any(isinstance(argument, float) for argument in args)
    return (dtype or torch.get_default_dtype()).is_floating_point


@functools.cache
def _python_kernels() -> dict:
    """Return the CPU kernels of bitsandbytes that are Python: what they allocate is booked too.

    They have no public name; where a version lacks one, its temporaries are not booked.
    """
    from bitsandbytes.backends.cpu import ops as cpu
    from bitsandbytes.backends.default import ops as default

    kernels = {
        "gemm_4bit": getattr(default, "_gemm_4bit_default_impl", None),
        "optimizer_update_8bit_blockwise": getattr(
            cpu, "_optimizer_update_8bit_blockwise_cpu", None
        ),
        "optimizer_update_32bit": getattr(cpu, "_optimizer_update_32bit_cpu", None),
    }
    return {f"bitsandbytes.{name}.default": kernel for name, kernel in kernels.items()}


def fake_mode() -> FakeTensorMode:
    """Return the mode in which new tensors have no storage."""
    return FakeTensorMode(allow_non_fake_inputs=True)


def empty_backbone(formulation, path: str, *, head, quantization: str, dtype, device: str):
    """Build what `formulation.load_backbone` would load, frozen, on the device `meta`.

    Args:
        formulation: its module.
        path: a folder with a configuration, or a Hub id.
        head: the head's settings.
        quantization, dtype, device: as in `mcqa.models.backbones.load_weights`, none of them
            `auto`.

    Raises:
        ConfigError: the checkpoint comes quantized in a way that is not known here.
        ModelError: there is no configuration, or not of a model of this formulation.
    """
    from transformers.quantizers import AutoHfQuantizer

    own = own_quantization(path)
    with torch.device("meta"):
        model = formulation.empty_backbone(path, head=head, dtype=dtype)
    if own is not None or quantization != "none":
        settings = _known(path, own) if own else quantization_config(quantization, dtype)
        quantizer = AutoHfQuantizer.from_config(settings)
        quantizer.preprocess_model(model, device_map={"": device})
        quantizer.postprocess_model(model)
        _fill(model, dtype)
        model.hf_quantizer = quantizer
    return suit_device(model, device).requires_grad_(False).eval()


def _known(path: str, own: dict):
    import transformers

    if own.get("quant_method", "bitsandbytes") != "bitsandbytes":
        raise ConfigError(
            f"model {path!r} comes quantized by {own['quant_method']}, whose sizes are not known "
            "here; name the model before quantization."
        )
    return transformers.BitsAndBytesConfig.from_dict(own)


def _fill(model, dtype: torch.dtype) -> None:
    """Give quantized layers weights as they are after loading, on the device `meta`."""
    import bitsandbytes

    for layer in model.modules():
        if isinstance(layer, bitsandbytes.nn.Linear4bit):
            layer.weight = _four_bit_weight(layer, dtype)
        elif isinstance(layer, bitsandbytes.nn.Linear8bitLt):
            layer.weight = _int8_weight(layer)
        else:
            continue
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias.to(dtype), requires_grad=False)


def _four_bit_weight(layer, dtype: torch.dtype) -> nn.Parameter:
    """Return half a byte for a weight, one for a block's scale, and a float32 for 256 of these.

    Without double quantization a block's scale is a float32 itself.
    """
    from bitsandbytes.functional import QuantState
    from bitsandbytes.nn import Params4bit

    def empty(size: int, dtype=torch.float32) -> Tensor:
        return torch.empty(size, dtype=dtype, device="meta")

    shape = torch.Size((layer.out_features, layer.in_features))
    blocks = math.ceil(shape.numel() / BLOCK)
    settings = {
        "quant_type": layer.weight.quant_type,
        "compress_statistics": layer.weight.compress_statistics,
    }
    nested = {}
    if settings["compress_statistics"]:
        outer = QuantState(
            absmax=empty(math.ceil(blocks / OUTER_BLOCK)),
            code=empty(256),
            blocksize=OUTER_BLOCK,
            dtype=torch.float32,
        )
        nested = {"offset": empty(1)[0], "state2": outer}
    state = QuantState(
        absmax=empty(blocks, torch.uint8 if nested else torch.float32),
        shape=shape,
        code=empty(16),
        blocksize=BLOCK,
        quant_type=settings["quant_type"],
        dtype=dtype,
        **nested,
    )
    packed = empty(math.ceil(shape.numel() / 2), torch.uint8)[:, None]
    return Params4bit(packed, quant_state=state, bnb_quantized=True, module=layer, **settings)


def _int8_weight(layer) -> nn.Parameter:
    """Return a byte for a weight, and a float32 for a row's scale."""
    from bitsandbytes.nn import Int8Params

    shape = layer.out_features, layer.in_features
    weight = torch.empty(shape, dtype=torch.int8, device="meta")
    scales = torch.empty(layer.out_features, dtype=torch.float32, device="meta")
    return Int8Params(weight, requires_grad=False, CB=weight, SCB=scales)


def move(model: nn.Module, device: str) -> dict[int, Tensor]:
    """Move a model from the device `meta` to another, within a fake mode.

    Args:
        model: from `empty_backbone`, with a recipe or without.
        device: where to.

    Returns:
        The parameters and buffers that it has now, by the ids of those that it had.
    """
    moved: dict[int, Tensor] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    if id(tensor) not in moved:
                        moved[id(tensor)] = _like(tensor, device)
                    tensors[name] = moved[id(tensor)]
    numbers = getattr(model, "prompt_tokens", {})  # of PEFT's virtual tokens: no module's buffer
    numbers.update({adapter: _like(tensor, device) for adapter, tensor in numbers.items()})
    return moved


def _like(tensor: Tensor, device: str) -> Tensor:
    """Return a fake tensor of the same size, and of what is beside it."""
    made = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
    if isinstance(tensor, nn.Parameter):
        made = nn.Parameter(made, requires_grad=tensor.requires_grad)
    if getattr(tensor, "quant_state", None) is not None:
        made.__class__ = Params4bit
        made.quant_state = _state_like(tensor.quant_state, device)
    elif getattr(tensor, "SCB", None) is not None:
        made.__class__ = Int8Params
        made.CB, made.SCB = made.data, _like(tensor.SCB, device)
    return made


def _state_like(state, device: str):
    made = copy.copy(state)
    for name in ("absmax", "code", "offset"):
        if getattr(state, name) is not None:
            setattr(made, name, _like(getattr(state, name), device))
    if state.state2 is not None:
        made.state2 = _state_like(state.state2, device)
    return made
