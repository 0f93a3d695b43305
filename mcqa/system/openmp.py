"""How OpenMP's threads, which torch computes with on a CPU, wait for each other: set in time.

GNU's runtime, which torch's Linux wheels bring, reads its environment once, when torch is loaded.
So `import mcqa` sets there how long a thread spins before it sleeps: as long as by default, but
not at all while there are more OpenMP threads than cores, which `mcqa.models.cpu.spinning` brings
about where other programs want the cores. Once torch has read it, it is taken back.

Source: GNU libgomp manual, "GOMP_SPINCOUNT" and "OMP_WAIT_POLICY".
"""

import functools
import importlib.util
import os
import sys
from pathlib import Path

# The passive policy is for the time of too many threads; the count is GNU's own default.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "300000"}

_set: dict[str, str] = {}


def set_waiting() -> None:
    """Set the environment for torch to be loaded, where nobody else has and it is of use."""
    if "torch" not in sys.modules and not _found() and is_gnus():
        os.environ.update(WAITING)
        _set.update(WAITING)


def take_back() -> None:
    """Take the environment back, now that torch is loaded."""
    while _set:
        name, value = _set.popitem()
        if os.environ.get(name) == value:
            del os.environ[name]


def is_left_to_us() -> bool:
    """Say whether the runtime is GNU's, and the user has not set how its threads wait."""
    return _found() in ({}, WAITING) and is_gnus()


@functools.cache
def is_gnus() -> bool:
    """Say whether torch, loaded or not, brings GNU's runtime."""
    torch = importlib.util.find_spec("torch") if sys.platform == "linux" else None
    return bool(torch and torch.origin and any(Path(torch.origin).parent.glob("lib/libgomp*")))


def _found() -> dict[str, str]:
    return {name: os.environ[name] for name in WAITING if name in os.environ}
