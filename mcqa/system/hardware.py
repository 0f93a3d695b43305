"""What numbers were computed on: processors round and run differently."""

import os
import platform


def describe_hardware() -> str:
    """Return processor, the instructions that torch uses, and a GPU: `2 CPU cores (EPYC, AVX2)`."""
    import torch

    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    instructions = [torch.backends.cpu.get_cpu_capability()]
    if instructions == ["AVX512"]:  # else the others are not used either
        instructions += ["BF16"] if able.get("avx512_bf16") else []
        instructions += ["AMX"] if able.get("amx_tile") else []
    name = able.get("cpu_name") or platform.machine()
    described = f"{os.cpu_count()} CPU cores ({', '.join([name, *instructions])})"
    if torch.cuda.is_available():
        described += f", {torch.cuda.get_device_name()}"
    return described
