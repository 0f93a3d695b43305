"""A file is there whole or as it was, whatever stops the writing, and no other file is touched."""

import errno
import os

import pytest

from mcqa.errors import ConfigError, RunError
from mcqa.system.files import inside, whole_files, whole_folder, write_whole


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


def test_a_temporary_name_is_another_one_each_time(tmp_path, monkeypatch):
    names = []
    monkeypatch.setattr(
        os, "fsync", lambda file: names.append(os.readlink(f"/proc/self/fd/{file}"))
    )
    for _ in range(2):
        write_whole(tmp_path / "file", "text")
    assert len(set(names)) == 2
    with whole_folder(tmp_path / "first") as first, whole_folder(tmp_path / "second") as second:
        assert first.name.replace("first", "") != second.name.replace("second", "")


def test_what_lies_at_a_temporary_name_is_not_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda length: "known")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("files", "model"):
        for temporary in (f".{name}.known.tmp", f".{name}.{os.getpid()}.tmp"):
            (tmp_path / temporary).symlink_to(victim)
    with pytest.raises(RunError, match="File exists"):
        write_whole(tmp_path / "file", "text")
    with pytest.raises(FileExistsError), whole_folder(tmp_path / "model"):
        pass
    assert victim.read_text() == "precious"


def test_a_folder_that_a_killed_process_of_this_number_left_is_no_obstacle(tmp_path):
    (tmp_path / f".model.{os.getpid()}.tmp").mkdir()
    with whole_folder(tmp_path / "model") as folder:
        (folder / "config.json").write_text("{}")
    assert (tmp_path / "model" / "config.json").is_file()


def test_a_file_that_everybody_may_read_stays_so(tmp_path):
    before = os.umask(0o022)
    try:
        assert write_whole(tmp_path / "file", "text").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_files_take_the_place_of_links_and_leave_the_rest(tmp_path):
    victim, folder = tmp_path / "victim", tmp_path / "run"
    folder.mkdir()
    victim.write_text("precious")
    (folder / "tokenizer.json").symlink_to(victim)
    (folder / "log").write_text("kept")
    (folder / "templates").mkdir()
    (folder / "templates" / "old").write_text("")
    with whole_files(folder) as made:
        (made / "tokenizer.json").write_text("{}")
        (made / "templates").mkdir()
        (made / "templates" / "new").write_text("")
        assert (folder / "tokenizer.json").is_symlink()
    assert victim.read_text() == "precious"
    assert (folder / "tokenizer.json").read_text() == "{}"
    assert not (folder / "tokenizer.json").is_symlink()
    assert [path.name for path in (folder / "templates").iterdir()] == ["new"]
    assert {path.name for path in folder.iterdir()} == {"tokenizer.json", "log", "templates"}


def test_a_path_that_leads_out_of_its_folder_is_refused(tmp_path):
    folder = tmp_path / "folder"
    (folder / "here").mkdir(parents=True)
    (folder / "plots").symlink_to(tmp_path)
    (folder / "shown").symlink_to("here")
    (tmp_path / "by-another-name").symlink_to(folder)
    for name in ("plots", "plots/x.svg", "../folder2"):
        with pytest.raises(ConfigError, match="leads out of"):
            inside(folder, name)
    for name in ("here", "shown", "absent", ""):
        assert inside(folder, name) == folder / name
        assert inside(tmp_path / "by-another-name", name) == tmp_path / "by-another-name" / name
