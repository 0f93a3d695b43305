"""GNU's OpenMP is told how its threads wait, before torch loads it, unless somebody else has."""

import json
import os
import subprocess
import sys

import pytest

from mcqa.openmp import WAITING, is_gnus

pytestmark = pytest.mark.skipif(not is_gnus(), reason="needs torch with GNU's OpenMP")

# Loading the runtime by itself takes no time; it tells what it has read where it is asked to.
LOAD = """
import ctypes, importlib.util, pathlib
torch = pathlib.Path(importlib.util.find_spec("torch").origin).parent
ctypes.CDLL(next(torch.glob("lib/libgomp*")))
"""
TAKE_BACK = "from mcqa import openmp\nopenmp.take_back()\n"
LEFT = f"import json, os\nprint(json.dumps({{n: os.environ.get(n) for n in {list(WAITING)}}}))\n"
READ = {"OMP_WAIT_POLICY = 'PASSIVE'", "GOMP_SPINCOUNT = '300000'"}


def run(program, **environment):
    """Return what the runtime had read, and what a process left in its environment."""
    others = {name: value for name, value in os.environ.items() if name not in WAITING}
    done = subprocess.run(
        [sys.executable, "-c", program + LEFT],
        env=others | {"OMP_DISPLAY_ENV": "VERBOSE"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    read = {line.split("] ")[-1].strip() for line in done.stderr.splitlines()}
    return read, json.loads(done.stdout)


def test_the_runtime_reads_it_and_the_environment_is_as_it_was():
    read, left = run("import mcqa\n" + LOAD + TAKE_BACK)
    assert read >= READ
    assert left == dict.fromkeys(WAITING)


@pytest.mark.parametrize(
    ("name", "value"), [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "7")]
)
def test_what_the_user_has_said_stays(name, value):
    program = "import mcqa\n" + LOAD + TAKE_BACK + "assert not openmp.is_left_to_us()\n"
    read, left = run(program, **{name: value})
    assert f"{name} = '{value}'" in read
    assert left == {**dict.fromkeys(WAITING), name: value}


def test_a_program_that_loaded_torch_first_is_left_alone():
    read, left = run("import sys\nsys.modules['torch'] = None\nimport mcqa\n")
    assert not read & READ
    assert left == dict.fromkeys(WAITING)


def test_what_the_user_says_after_the_import_stays_too():
    said = "import mcqa, os\nos.environ['OMP_WAIT_POLICY'] = 'ACTIVE'\n"
    read, left = run(said + LOAD + TAKE_BACK)
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in read
    assert left["OMP_WAIT_POLICY"] == "ACTIVE"


def test_a_process_of_ours_does_the_same_as_the_one_that_started_it():
    read, left = run("import mcqa\n" + LOAD + TAKE_BACK, **WAITING)
    assert read >= READ
    assert left == WAITING
