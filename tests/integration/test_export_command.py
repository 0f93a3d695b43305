"""`mcqa export`: each format scores as the run does, through the libraries that it is for."""

import json
import re
import subprocess
import sys

import pytest


@pytest.fixture
def export(command, tmp_path, question_file):
    """Export a run into a folder, check it on 12 questions, and return the result and the folder."""

    def run(source, *flags, check=12):
        folder = tmp_path / "exported"
        checking = ["--check", question_file, "--check-limit", check] if check else []
        how = ["--output", folder, "--device", "cpu", "--json", *checking]
        done = command("export", source, *flags, *how)
        assert done.code == 0, done.err
        return json.loads(done.out), folder

    return run
