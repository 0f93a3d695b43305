"""Freed memory is used again, so that pages are fresh once, or it is given back."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, sys
from mcqa.allocation import keep_freed_memory, return_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
SIZE, COUNT = 4 * 2**20, 8

def use():
    blocks = [libc.malloc(SIZE) for _ in range(COUNT)]
    for block in blocks:
        libc.memset(block, 1, SIZE)
    for block in blocks:
        libc.free(block)

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_used_again_or_given_back():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    before, kept, returned = map(float, done.stdout.split())
    assert min(before, returned) > 0.5
    assert kept < 0.05
