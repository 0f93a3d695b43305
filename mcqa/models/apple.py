"""Does Apple's GPU compute what a CPU does? What `--device auto` asks before it takes MPS.

The trap: on some versions of macOS and PyTorch an operation is missing there, and on some a result
is wrong without an error. So what is done here most is tried, in milliseconds: attention under a
mask in bfloat16 and a 4-bit layer, each forward and backward, against the same on the CPU.
"""

import functools

TOLERANCE = 0.05  # of bfloat16, relative to the largest number


def device_fault(device: str) -> str | None:
    """Return in what a device fails or differs from the CPU; None where it does not."""
    import mcqa.system.quiet  # noqa: F401  before bitsandbytes is imported

    for name, compute in (("attention under a mask", _attention), ("a 4-bit layer", _four_bit)):
        try:
            here, there = compute("cpu"), compute(device)
        except Exception as error:  # whatever it is, this device is not the one to take
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            return f"{name} fails ({reason.rstrip('.')})"
        if not ((there - here).abs().max() <= TOLERANCE * here.abs().max()):
            return f"{name} comes out differently than on the CPU"
    return None


def _attention(device: str):
    """Return output and gradient of causal attention of a padded row."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    numbers = torch.randn(4, 2, 2, 8, 16, generator=torch.Generator().manual_seed(0))
    q, k, v, weight = numbers.to(torch.bfloat16).to(device)
    mask = torch.ones(8, 8, dtype=torch.bool).tril()
    mask[:, 0] = False
    mask[0, 0] = True
    mask = mask.to(device)
    return _there_and_back(lambda q: scaled_dot_product_attention(q, k, v, mask), q, weight)


def _four_bit(device: str):
    """Return output and gradient of a layer in NF4 with double quantization."""
    import bitsandbytes
    import torch

    numbers = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    layer = bitsandbytes.nn.Linear4bit(
        64, 64, bias=False, quant_type="nf4", compress_statistics=True, compute_dtype=torch.bfloat16
    )
    layer.weight.data = numbers[0].to(layer.weight.dtype)
    layer = layer.to(device)
    x, weight = numbers[1:].to(torch.bfloat16).to(device)
    return _there_and_back(layer, x, weight)


def _there_and_back(compute, x, weight):
    import torch

    out = compute(x.requires_grad_())
    (out * weight).sum().backward()
    return torch.stack([out.detach(), x.grad]).float().cpu()


# Why Apple's GPU is not to be used; None where it works.
mps_fault = functools.cache(functools.partial(device_fault, "mps"))
