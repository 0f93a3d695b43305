"""A saved folder may carry its code, and then loads where `heads` is not installed."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from architectures import build
from transformers import AutoModelForMultipleChoice, PreTrainedModel

LOAD = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("heads", "mcqa"):
            raise ImportError(name + " is not installed")

sys.meta_path.insert(0, Blocked())
import torch
from transformers import AutoModelForMultipleChoice
model = AutoModelForMultipleChoice.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
rows = torch.tensor(json.loads(sys.argv[2]))
with torch.no_grad():
    print(json.dumps([type(model).__name__, model(rows).logits.tolist()]))
if len(sys.argv) > 3:
    model.save_pretrained(sys.argv[3])
"""
ROWS = [[[5, 6, 7, 9], [5, 6, 7, 10]], [[5, 8, 8, 8], [5, 8, 9, 9]]]


def load_elsewhere(folder, tmp_path, *more):
    command = [sys.executable, "-c", LOAD, str(folder), json.dumps(ROWS), *map(str, more)]
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def registered():
    """Models of the test ask to carry their code; others afterwards do not."""
    made = []

    def build_registered(*arguments, **settings):
        model = build(*arguments, **settings)
        model.register_for_auto_class("AutoModelForMultipleChoice")
        made.append(type(model))
        return model

    yield build_registered
    for model_class in made:
        del model_class._auto_class


@pytest.mark.parametrize("name", ["gemma3-window", "gpt2"])
def test_a_folder_with_code_loads_without_the_package(name, registered, tmp_path):
    model = registered(name, pooling="attention", interaction="attention")
    folder, again = tmp_path / "saved", tmp_path / "again"
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    class_name = type(model).__name__
    assert config["auto_map"] == {"AutoModelForMultipleChoice": f"multiple_choice.{class_name}"}
    with torch.no_grad():
        expected = model(torch.tensor(ROWS)).logits
    name_there, logits = load_elsewhere(folder, tmp_path, again)
    assert name_there == class_name
    torch.testing.assert_close(torch.tensor(logits), expected)
    # What was loaded from code is saved with its code.
    carried = {path.name for path in folder.glob("*.py")}
    assert carried == {path.name for path in again.glob("*.py")} >= {"multiple_choice.py"}


def test_where_the_package_is_installed_its_own_class_loads(registered, tmp_path):
    model = registered("llama")
    model.save_pretrained(tmp_path)
    assert type(AutoModelForMultipleChoice.from_pretrained(tmp_path)) is type(model)


def test_without_being_asked_a_folder_holds_no_code(tmp_path):
    build("llama").save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_pushing_uploads_configuration_weights_and_code(registered, tmp_path, monkeypatch):
    uploaded = {}

    def upload(self, working_dir, *arguments, **settings):
        uploaded.update({path.name: path.read_bytes() for path in Path(working_dir).iterdir()})

    hub = SimpleNamespace(create_repo=lambda *_, **__: SimpleNamespace(repo_id="someone/model"))
    monkeypatch.setattr("transformers.utils.hub.hf_api", lambda: hub)
    card = SimpleNamespace(save=lambda path: Path(path).write_text("card"))
    monkeypatch.setattr("transformers.utils.hub.create_and_tag_model_card", lambda *_, **__: card)
    monkeypatch.setattr(PreTrainedModel, "_upload_modified_files", upload)
    registered("llama").push_to_hub("someone/model")
    assert uploaded.keys() >= {"config.json", "model.safetensors", "multiple_choice.py"}
    assert json.loads(uploaded["config.json"])["architectures"] == ["LlamaForMultipleChoice"]
