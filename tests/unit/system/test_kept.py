"""Kept sets: nobody else reads them, and those used longest ago make room."""

import os
import stat
import time
from pathlib import Path

import pytest

from mcqa.errors import RunError
from mcqa.system import kept
from mcqa.system.kept import folder_bytes, kept_folder, make_room, private_folder


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MCQA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "LIMIT", 100)
    return kept_folder()


@pytest.fixture
def add(folder):
    def add(name, size, used):
        one = folder / name
        one.mkdir(parents=True)
        (one / "00000.arrow").write_bytes(b" " * size)
        os.utime(one, (used, used))
        return one

    return add


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_is_the_users_alone_also_where_it_was_not(folder):
    assert stat.S_IMODE(private_folder().stat().st_mode) == 0o700
    folder.chmod(0o755)  # as earlier versions made it
    assert stat.S_IMODE(private_folder().stat().st_mode) == 0o700


def test_a_folder_of_somebody_else_is_refused(folder, monkeypatch):
    private_folder().chmod(0o755)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(RunError, match=r"not permitted\)\. Set MCQA_CACHE to a folder of your own"):
        private_folder()


def test_what_was_used_longest_ago_makes_room(folder, add):
    for age, name in enumerate(("d", "c", "b", "a")):  # d was used last
        add(name, 30, used=1000 - age)
    latest = add("new", 30, used=2000)
    os.utime(folder / "a")
    make_room(latest)
    assert names(folder) == ["a", "d", "new"]
    assert folder_bytes(folder) == 90
    make_room(latest)
    assert names(folder) == ["a", "d", "new"]


def test_the_latest_stays_whatever_its_size(folder, add):
    add("old", 10, used=1)
    make_room(add("large", 1000, used=2))
    assert names(folder) == ["large"]


def test_a_set_that_is_being_written_is_left_alone_for_a_day(folder, add):
    add(".abandoned", 90, used=1)
    add(".at-work", 90, used=time.time() - 3600)
    make_room(add("new", 90, used=time.time()))
    assert names(folder) == [".at-work", "new"]
