"""Waiting threads spin while the cores are free, and sleep while others want them."""

import os
import subprocess
import sys

import pytest

from mcqa.models.cpu.spinning import TASKS, Contention
from mcqa.system.openmp import WAITING, is_gnus
from mcqa.system.workers import cores

pytestmark = pytest.mark.skipif(
    cores() < 2 or not is_gnus() or not (TASKS.parent / "schedstat").exists(),
    reason="needs two cores, torch with GNU's OpenMP, and Linux with scheduler statistics",
)

# A waiting thread that spins costs processor time, whoever else computes; one that sleeps does not.
START = """
import os, threading, time
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
import mcqa, torch
from mcqa.models.cpu import spinning

x = torch.zeros(2 * spinning.GRAIN)

def spun():
    x.add_(1)
    time.sleep(0.1)
    before = time.process_time()
    for _ in range(20):
        x.add_(1)
        time.sleep(0.03)
    return time.process_time() - before

def threads():
    return sorted({t.name for t in threading.enumerate() if t.name.startswith("mcqa")})

def until(condition):
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        x.add_(1)
    assert condition()
"""
SWITCHED = """
alone = spun()
over = spinning.crowd()
time.sleep(0.3)
crowded = spun()
over.set()
time.sleep(0.3)
print(alone, crowded, spun())
"""
BESIDE = """
import subprocess, sys
neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
try:
    with spinning.giving_way("cpu"):
        with spinning.giving_way("cpu"):
            assert threads()[-1] == "mcqa-spinning"
        until(lambda: "mcqa-crowd" in threads())
finally:
    for neighbour in neighbours:
        neighbour.kill()
        neighbour.wait()
spinning.LINGER = 0
until(lambda: not threads())
assert "GOMP_SPINCOUNT" not in os.environ
with spinning.giving_way("cuda:0"):
    assert not threads()
os.environ["GOMP_SPINCOUNT"] = "300000"
with spinning.giving_way("cpu"):
    assert not threads()
"""


def run(program):
    """Return the numbers that a process with two threads prints."""
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    done = subprocess.run(
        [sys.executable, "-c", START + program],
        env=environment | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return list(map(float, done.stdout.split()))


def test_idle_threads_switch_spinning_off_and_on_and_a_busy_machine_brings_them():
    alone, crowded, again = run(SWITCHED + BESIDE)
    assert crowded < 0.5 * min(alone, again)


def test_contention_counts_once_it_lasts_and_until_it_is_over():
    contention = Contention()
    little, much = 0.2, 0.7
    assert not any(contention.look(share) for share in (little, 0.9, little, 0.3, little))
    assert [contention.look(much) for _ in range(3)][-1]
    assert all(contention.look(0.46) for _ in range(20))  # threads that sleep wait less
    assert not [contention.look(little) for _ in range(5)][-1]
    assert all(contention.look(share) is False for share in (0.3, 0.35, little))
