"""A file is there whole or as it was, whatever stops the writing."""

import errno
import os

import pytest

from mcqa.errors import RunError
from mcqa.files import whole_folder, write_whole


@pytest.fixture
def full_disk(monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_file_is_replaced_whole(tmp_path):
    path = write_whole(tmp_path / "folder" / "file", "first")
    assert write_whole(path, "é").read_bytes() == "é".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, full_disk):
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(RunError, match="file: cannot be written") as told:
        write_whole(path, "after")
    assert "\n" not in str(told.value)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_whole(tmp_path / "file" / "inside", "text")


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "model"
    path.mkdir()

    def save(error=None):
        with whole_folder(path) as inside:
            (inside / "config.json").write_text("{}")
            if error:
                raise error

    with pytest.raises(KeyboardInterrupt):
        save(KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == [path]
    assert not list(path.iterdir())
    save()
    assert list(tmp_path.iterdir()) == [path]
    assert [file.name for file in path.iterdir()] == ["config.json"]
