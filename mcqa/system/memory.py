"""How much memory a piece of work took at most, and whether it failed for want of more.

On a GPU it is what PyTorch's allocator held there, elsewhere the process's resident set: with
Python, libraries, weights and what earlier work in the same process left behind.

The trap: the kernel keeps one high-water mark per process. It is set back before each measurement,
which only Linux can do; elsewhere, and where a container forbids it, the peak is not known.
"""

import contextlib
import gc
from pathlib import Path

from mcqa.system.allocation import trim

PROCESS = Path("/proc/self")


class PeakMemory:
    """Measure a torch device from here on.

    Attributes:
        start: the bytes in use at the start, None where they, and so a peak, cannot be known.
    """

    def __init__(self, device: str):
        self.device, self.start = device, None
        gc.collect()
        trim()
        with contextlib.suppress(OSError):
            if gpu := _gpu(device):
                gpu.reset_peak_memory_stats(device)
            else:
                (PROCESS / "clear_refs").write_text("5")
            self.start = in_use(device)

    @property
    def bytes(self) -> int | None:
        """The most bytes in use since the start, None where that cannot be known."""
        if self.start is None:
            return None
        gpu = _gpu(self.device)
        return gpu.max_memory_allocated(self.device) if gpu else _status("VmHWM")


def is_out_of_memory(error: Exception) -> bool:
    """Say whether an error means that a GPU's or this machine's memory did not suffice."""
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return known or should_reduce_batch_size(error)


def in_use(device: str) -> int | None:
    """Return the bytes in use now, None where they cannot be known."""
    gpu = _gpu(device)
    return gpu.memory_allocated(device) if gpu else _status("VmRSS")


def _gpu(device: str):
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda


def _status(name: str) -> int | None:
    try:
        lines = (PROCESS / "status").read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")]
    return found[0] if found else None
