"""How much memory a piece of work took at most, and whether it failed for want of more.

On a GPU it is what PyTorch's allocator held there, elsewhere the process's resident set. The trap:
the kernel keeps one high-water mark per process. It is set back before each measurement, which only
Linux can do; elsewhere, and where a container forbids it, the peak is not known.
"""

import contextlib
import gc
from pathlib import Path

from mcqa.system.allocation import trim

PROCESS = Path("/proc/self")


class PeakMemory:
    """Measure a torch device from here on; `start` is what was in use then, None if not known."""

    def __init__(self, device: str):
        self.device, self.start = device, None
        gc.collect()
        trim()
        with contextlib.suppress(OSError):
            if device.startswith("cuda"):
                import torch

                torch.cuda.reset_peak_memory_stats(device)
            else:
                (PROCESS / "clear_refs").write_text("5")
            self.start = in_use(device)

    @property
    def bytes(self) -> int | None:
        """The most bytes in use since the start, None where that cannot be known."""
        if self.start is None:
            return None
        return _bytes(self.device, "max_memory_allocated", "VmHWM")


def is_out_of_memory(error: Exception) -> bool:
    """Say whether an error means that a GPU's or this machine's memory did not suffice."""
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return known or should_reduce_batch_size(error)


def in_use(device: str) -> int | None:
    """Return the bytes in use now, None where they cannot be known."""
    return _bytes(device, "memory_allocated", "VmRSS")


def _bytes(device: str, of_gpu: str, of_process: str) -> int | None:
    """Return a number that PyTorch keeps of a GPU, or one that the kernel keeps of this process."""
    if device.startswith("cuda"):
        import torch

        return getattr(torch.cuda, of_gpu)(device)
    with contextlib.suppress(OSError):
        for line in (PROCESS / "status").read_text().splitlines():
            if line.startswith(f"{of_process}:"):
                return int(line.split()[1]) * 1024
    return None
