"""Workers: their work is done, their errors come back, and none is waited for or left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mcqa.errors import EncodingError, RunError
from mcqa.system.workers import run_in_workers


def waited_for(path):
    """Say whether a file is there within ten seconds."""
    end = time.monotonic() + 10
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    return path.exists()


def test_calls_are_made_side_by_side_in_other_processes(tmp_path):
    def write(name, other):
        (tmp_path / name).write_text(str(os.getpid()))
        assert waited_for(tmp_path / other)

    run_in_workers(write, [("a", "b"), ("b", "a")])
    assert len({(tmp_path / name).read_text() for name in "ab"} | {str(os.getpid())}) == 3


def test_the_error_of_the_first_call_comes_back():
    def fail(number):
        if number:
            raise EncodingError(f"question {number}")

    with pytest.raises(EncodingError, match="question 1"):
        run_in_workers(fail, [(0,), (1,), (2,)])


class UnpackableError(Exception):
    """Holds what cannot be packed."""

    def __init__(self, message):
        super().__init__(message)
        self.open_file = lambda: None


class UngratefulError(Exception):
    """Can be packed, but not unpacked: its class wants two arguments."""

    def __init__(self, message, code):
        super().__init__(message)


@pytest.mark.parametrize(
    "error", [UnpackableError("the tokenizer broke"), UngratefulError("the tokenizer broke", 3)]
)
def test_an_error_that_cannot_be_sent_is_reported_as_what_it_is(error):
    def fail():
        raise error

    with pytest.raises(RunError, match=f"failed: {type(error).__name__}: the tokenizer broke"):
        run_in_workers(fail, [()])


def test_a_killed_worker_is_an_error():
    with pytest.raises(RunError, match=r"a worker process was killed.* run the same command again"):
        run_in_workers(lambda: os.kill(os.getpid(), signal.SIGKILL), [()])


BUSY = """
import os, pathlib, signal, sys, time
from mcqa.system.workers import run_in_workers

signal.signal(signal.SIGINT, signal.default_int_handler)  # which the tests may run without

def busy(number):
    folder = pathlib.Path(sys.argv[1])
    (folder / f"{number}.tmp").write_text(str(os.getpid()))
    (folder / f"{number}.tmp").rename(folder / str(number))
    time.sleep(60)

run_in_workers(busy, [(0,), (1,)])
"""


def is_running(process_id):
    """Say whether a process runs; what ended and nobody has looked after does not."""
    try:
        with open(f"/proc/{process_id}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_at_once_with_the_command(tmp_path, stop):
    command = subprocess.Popen(
        [sys.executable, "-c", BUSY, str(tmp_path)], stderr=subprocess.DEVNULL
    )
    assert waited_for(tmp_path / "0")
    assert waited_for(tmp_path / "1")
    workers = [int((tmp_path / name).read_text()) for name in "01"]
    assert all(map(is_running, workers))
    command.send_signal(stop)
    assert command.wait(timeout=10) == -stop
    end = time.monotonic() + 10
    while any(map(is_running, workers)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(is_running, workers))
