"""What a model's name means, and which commit of the Hub it is."""

import pytest
from hub_cache import NEW, OLD, keep

from mcqa.errors import ModelError
from mcqa.models import names
from mcqa.models.names import located, pinned, resolve_model


def test_the_embedded_name_means_the_converted_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(names, "ensure_embedded", lambda: tmp_path)
    reference = resolve_model("smollm2-135m")
    assert (reference.kind, reference.path) == ("embedded", str(tmp_path))
    assert reference.name == "smollm2-135m"


def test_a_folder_with_a_configuration_is_a_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    reference = resolve_model(tmp_path)
    assert (reference.kind, reference.path) == ("folder", str(tmp_path))


def test_a_folder_with_a_record_is_a_run_even_with_a_model_in_it(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "run.json").write_text("{}")
    reference = resolve_model(str(tmp_path))
    assert (reference.kind, reference.path) == ("run", str(tmp_path))


@pytest.mark.parametrize("name", ["unsloth/Llama-3.2-1B", "gpt2", "a_b/c.d-e"])
def test_other_names_are_hub_ids(name):
    reference = resolve_model(name)
    assert (reference.kind, reference.name, reference.path) == ("hub", name, name)


def test_a_local_folder_wins_over_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "model").mkdir(parents=True)
    (tmp_path / "org" / "model" / "config.json").write_text("{}")
    assert resolve_model("org/model").kind == "folder"


def test_an_empty_folder_is_an_error_that_says_what_it_lacks(tmp_path):
    with pytest.raises(ModelError, match=r"neither run\.json .* nor config\.json"):
        resolve_model(str(tmp_path))


@pytest.mark.parametrize(
    "name", ["", "./missing", "/missing/model", "~/model", "a/b/c", "runs/demo/x", "two words"]
)
def test_a_name_that_is_nothing_is_an_error_that_lists_what_a_model_can_be(name):
    with pytest.raises(ModelError, match="'smollm2-135m', a folder with a model, a run folder"):
        resolve_model(name)


def test_a_file_is_no_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.bin").write_text("")
    with pytest.raises(ModelError, match="no such folder"):
        resolve_model("model.bin")


def test_a_hub_id_may_name_a_revision():
    reference = resolve_model("owner/name@refs/pr/1")
    assert (reference.kind, reference.path) == ("hub", "owner/name@refs/pr/1")
    assert reference.repository == "owner/name"
    assert located("owner/name@v1") == {
        "pretrained_model_name_or_path": "owner/name",
        "revision": "v1",
    }
    assert located("owner/name") == {"pretrained_model_name_or_path": "owner/name"}


def test_a_folder_with_an_at_sign_is_a_folder(tmp_path):
    folder = tmp_path / "model@v1"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    reference = resolve_model(str(folder))
    assert (reference.kind, reference.repository) == ("folder", str(folder))
    assert located(str(folder)) == {"pretrained_model_name_or_path": str(folder)}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    keep(tmp_path / "hub", "owner/name", {OLD: None, NEW: None}, {"main": OLD, "v2": NEW})


@pytest.mark.parametrize(
    ("name", "commit"), [("owner/name", OLD), ("owner/name@v2", NEW), (f"owner/name@{NEW}", NEW)]
)
def test_a_revision_is_pinned_to_its_commit(hub, name, commit):
    reference = pinned(resolve_model(name))
    assert (reference.path, reference.commit) == (f"owner/name@{commit}", commit)
    assert (reference.name, reference.repository) == (name, "owner/name")


def test_what_the_hub_does_not_tell_is_left_as_it_is(hub, tmp_path):
    for name in ("owner/other", "owner/name@v9"):
        assert pinned(resolve_model(name)) == resolve_model(name)
    (tmp_path / "config.json").write_text("{}")
    assert pinned(resolve_model(tmp_path)).commit is None
