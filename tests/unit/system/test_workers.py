"""Forked processes: their work is done, their errors come back, and a killed one is not awaited."""

import os
import signal

import pytest

from mcqa.errors import EncodingError, RunError
from mcqa.system.workers import run_forked


def test_each_call_is_made_in_a_process_of_its_own(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(f"{text} {os.getpid()}")

    run_forked(write, [("a", "first"), ("b", "second")])
    (first, one), (second, two) = ((tmp_path / name).read_text().split() for name in "ab")
    assert (first, second) == ("first", "second")
    assert len({one, two, str(os.getpid())}) == 3


def test_the_error_of_the_first_call_comes_back():
    def fail(number):
        if number:
            raise EncodingError(f"question {number}")

    with pytest.raises(EncodingError, match="question 1"):
        run_forked(fail, [(0,), (1,), (2,)])


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
def test_an_error_that_cannot_be_sent_is_told_as_what_it_is(error):
    def fail():
        raise error

    with pytest.raises(RunError, match=f"failed: {type(error).__name__}: the tokenizer broke"):
        run_forked(fail, [()])


def test_a_killed_process_is_an_error():
    with pytest.raises(RunError, match="killed"):
        run_forked(lambda: os.kill(os.getpid(), signal.SIGKILL), [()])
