"""Freed memory stays with the process, for fresh pages cost more than many an operator.

glibc gives freed memory back once twice the largest block is free, so that the next operator's is
fresh pages again, each zeroed when first touched: up to a third of a forward pass on a CPU.

Source: mallopt(3), M_TRIM_THRESHOLD and M_MMAP_THRESHOLD. Other allocators are left alone.
"""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them
HELD = 2**30
LARGEST = 2**25  # bytes of a block that is reused; glibc allows no more
GIVEN_BACK = 2**16  # from so many bytes on


def keep_freed_memory() -> None:
    """Let this process keep freed memory for its next tensors, where its C library is glibc."""
    _call("mallopt", MMAP_THRESHOLD, LARGEST)
    _call("mallopt", TRIM_THRESHOLD, HELD)


def return_freed_memory() -> None:
    """Give back what is free now, and from now on what is freed, so that what is held is in use."""
    _call("mallopt", MMAP_THRESHOLD, GIVEN_BACK)
    _call("mallopt", TRIM_THRESHOLD, GIVEN_BACK)
    trim()


def trim() -> None:
    """Give back what is free now."""
    _call("malloc_trim", 0)


def _call(name: str, *numbers: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*numbers)
