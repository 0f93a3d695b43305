"""Peak memory of a piece of work, on the machine that runs the tests."""

import sys

import pytest

from mcqa.system import memory
from mcqa.system.memory import PeakMemory

MEGABYTE = 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can set its mark back")
def test_a_peak_is_seen_after_it_is_gone_and_forgotten_by_the_next_measurement():
    first = PeakMemory("cpu")
    block = bytearray(200 * MEGABYTE)
    del block
    highest = first.bytes
    assert highest > first.start + 190 * MEGABYTE
    assert PeakMemory("cpu").bytes < highest - 100 * MEGABYTE


def test_where_the_mark_cannot_be_set_back_no_number_is_made_up(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "absent")
    measured = PeakMemory("cpu")
    assert (measured.start, measured.bytes) == (None, None)
