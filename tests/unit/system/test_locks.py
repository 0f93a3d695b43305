"""One process at a time holds a path, and a process that is gone holds none."""

import errno
import signal
import subprocess
import sys

import pytest

from mcqa.errors import ConfigError
from mcqa.system.locks import locked

KILLED = """
import os, signal, sys
from mcqa.system.locks import locked
with locked(sys.argv[1]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["folder", "file", "absent"])
def test_a_locked_path_is_refused_until_it_is_free(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    with locked(tmp_path / name):
        refused = pytest.raises(ConfigError, match=f"{name} is in use by another process")
        with refused, locked(tmp_path / name):
            pass
        with locked(tmp_path / "other"):
            pass
    assert sorted(tmp_path.rglob("*")) == before
    with locked(tmp_path / name):
        pass


def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path):
    ended = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir())
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_locked_work_goes_on_with_a_warning(tmp_path, monkeypatch):
    def flock(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.warns(UserWarning, match="cannot be locked"), locked(tmp_path):
        pass
