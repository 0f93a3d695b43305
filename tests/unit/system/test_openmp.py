"""GNU's OpenMP is told how its threads wait, before torch loads it, unless somebody else has."""

import json
import os
import subprocess
import sys

import pytest

from mcqa.system.openmp import WAITING, is_gnus

pytestmark = pytest.mark.skipif(not is_gnus(), reason="needs torch with GNU's OpenMP")

TELL = f"print(json.dumps({{name: os.environ.get(name) for name in {list(WAITING)}}}))\n"
TAKE_BACK = "from mcqa.system import openmp\nopenmp.take_back()\n"
NOTHING = dict.fromkeys(WAITING)


def run(program, **environment):
    """Return the environment in which torch would be loaded, and what is left of it later."""
    others = {name: value for name, value in os.environ.items() if name not in WAITING}
    command = [sys.executable, "-c", "import json, os, sys\n" + program + TELL + TAKE_BACK + TELL]
    done = subprocess.run(
        command, env=others | environment, capture_output=True, text=True, check=True
    )
    return list(map(json.loads, done.stdout.splitlines()))


def test_it_is_said_in_the_environment_which_is_then_as_it_was():
    assert run("import mcqa\n") == [WAITING, NOTHING]


@pytest.mark.parametrize(
    ("name", "value"), [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "7")]
)
def test_what_the_user_has_said_stays(name, value):
    said = NOTHING | {name: value}
    assert run("import mcqa\n", **{name: value}) == [said, said]
    assert run(f"import mcqa\nos.environ['{name}'] = '{value}'\n")[1] == said


def test_a_program_that_loaded_torch_first_is_left_alone():
    loaded = "import importlib.util as util\n"
    loaded += "sys.modules['torch'] = util.module_from_spec(util.find_spec('torch'))\n"
    assert run(loaded + "import mcqa\n") == [NOTHING, NOTHING]


def test_what_the_process_that_started_this_one_has_said_stays():
    assert run("import mcqa\n", **WAITING) == [WAITING, WAITING]
