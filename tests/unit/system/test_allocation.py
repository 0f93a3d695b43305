"""Freed memory is used again, so that pages are fresh once, or it is given back."""

import platform
import subprocess
import sys

import pytest

USE = """
import ctypes
from mcqa.system.allocation import keep_freed_memory, return_freed_memory
from mcqa.system.memory import PeakMemory, in_use

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
SIZE, COUNT = 4 * 2**20, 16

def use():
    blocks = [libc.malloc(SIZE) for _ in range(COUNT)]
    for block in blocks:
        libc.memset(block, 1, SIZE)
    for block in blocks:
        libc.free(block)
"""
FRESH = """
import resource

def fresh():
    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use()
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return pages * resource.getpagesize() / (SIZE * COUNT)

first = fresh()
keep_freed_memory()
kept = fresh()
return_freed_memory()
print(first, kept, fresh())
"""


KEPT = """
keep_freed_memory()
before = in_use("cpu")
use()
held = in_use("cpu") - before
PeakMemory("cpu")
print(held / (SIZE * COUNT), (in_use("cpu") - before) / (SIZE * COUNT))
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


def _run(program):
    """Return the numbers that a process of its own prints."""
    command = [sys.executable, "-c", USE + program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return map(float, done.stdout.split())


def test_freed_memory_is_used_again_or_given_back():
    before, kept, returned = _run(FRESH)
    assert min(before, returned) > 0.5
    assert kept < 0.05


def test_a_peak_is_not_that_of_what_earlier_work_freed():
    held, left = _run(KEPT)
    assert held > 0.9
    assert left < 0.05
