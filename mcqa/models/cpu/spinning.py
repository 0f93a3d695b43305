"""Threads that wait for each other spin while the cores are theirs, and sleep where others compute.

No one length of spinning is good at both (docs/experiments.md), so while mcqa computes on a CPU, a
thread of ours looks how long the threads of this process wait for a core. Where that is long, idle
OpenMP threads are added until they are more than the cores, and GNU's runtime lets no thread spin;
when the cores have been free for a while they end. As many threads compute, with the same results.

Source: GNU libgomp manual, "GOMP_SPINCOUNT"; Linux, Documentation/scheduler/sched-stats.rst.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from mcqa.system import openmp
from mcqa.system.workers import cores

TASKS = Path("/proc/self/task")
INTERVAL = 0.1  # seconds between two looks
# The share of the time that threads wait, all together: up to 0.25 where other programs do little,
# from 0.46 asleep and from 0.69 spinning beside a busy process.
CONTENDED, FREE = 0.4, 0.3
WEIGHT = 0.3  # of the last look in the mean; others' work of a tenth of a second should not count
LINGER = 5.0  # seconds of watching after the last work; the next may follow at once
MOST = 8  # idle groups; only few threads on many cores take more, and hardly get into this
GRAIN = 2**15  # elements that torch gives a thread at least

_lock = threading.Lock()
_works, _ended = 0, 0.0
_watch: threading.Thread | None = None


@contextlib.contextmanager
def giving_way(device: str) -> Iterator[None]:
    """Keep waiting threads from spinning while other programs want the cores of a CPU `device`."""
    global _works, _ended, _watch
    openmp.take_back()
    if not (str(device).startswith("cpu") and _can_switch()):
        yield
        return
    with _lock:
        _works += 1
        if _watch is None or not _watch.is_alive():
            _watch = threading.Thread(target=_keep_watch, daemon=True, name="mcqa-spinning")
            _watch.start()
    try:
        yield
    finally:
        with _lock:
            _works, _ended = _works - 1, time.monotonic()


class Contention:
    """Judge, look by look, whether other programs want the cores."""

    def __init__(self):
        self._mean, self._holds = 0.0, False

    def look(self, share: float) -> bool:
        """Take what share of the time threads waited for a core, and say what holds now."""
        self._mean += WEIGHT * (share - self._mean)
        self._holds = self._mean > (FREE if self._holds else CONTENDED)
        return self._holds


def crowd() -> threading.Event:
    """Start so many idle OpenMP threads that there are more than cores; return what ends them."""
    over = threading.Event()

    def stand() -> None:
        torch.zeros(GRAIN * torch.get_num_threads()).add_(1)  # this thread's group is made by that
        over.wait()

    for _ in range(_groups()):
        threading.Thread(target=stand, daemon=True, name="mcqa-crowd").start()
    return over


def _waited() -> float:
    """Return the seconds that threads of this process, together, have waited for a core."""
    nanoseconds = 0
    for task in TASKS.iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            nanoseconds += int((task / "schedstat").read_text().split()[1])
    return nanoseconds / 1e9


def _can_switch() -> bool:
    few = torch.get_num_threads() > 1 and _groups() <= MOST
    return few and openmp.is_left_to_us() and (TASKS.parent / "schedstat").exists()


def _groups() -> int:
    """Return how many more groups of threads it takes to be more than the cores."""
    return (cores() - 1) // (torch.get_num_threads() - 1)


def _goes_on() -> bool:
    """Say whether there is work, or was a moment ago; if not, the next work starts a new watch."""
    global _watch
    with _lock:
        if not _works and time.monotonic() > _ended + LINGER:
            _watch = None
        return _watch is not None


def _keep_watch() -> None:
    contention, over = Contention(), threading.Event()
    over.set()  # there is no crowd yet
    before, then = _waited(), time.monotonic()
    while _goes_on():
        time.sleep(INTERVAL)
        waits, now = _waited(), time.monotonic()
        contended = contention.look((waits - before) / (now - then))
        before, then = waits, now
        if contended and over.is_set():
            over = crowd()
        elif not contended:
            over.set()
    over.set()
