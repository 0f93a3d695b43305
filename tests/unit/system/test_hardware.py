"""The hardware is named with what it computes with."""

import os
import subprocess
import sys

import torch

from mcqa.system.hardware import describe_hardware


def test_processor_and_instructions_are_named():
    described = describe_hardware()
    assert described.startswith(f"{os.cpu_count()} CPU cores (")
    assert torch.backends.cpu.get_cpu_capability() in described


def test_what_torch_was_told_not_to_use_is_not_named():
    code = "from mcqa.system.hardware import describe_hardware; print(describe_hardware())"
    environment = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "DEFAULT)" in result.stdout
