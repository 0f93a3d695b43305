"""`mcqa page`: what it refuses, and what it runs streamlit with."""

import tomllib

import pytest

from mcqa.page import APP


@pytest.fixture
def started(monkeypatch):
    """Note what streamlit is called with, in its place."""
    from streamlit.web import cli

    from mcqa.cli import page

    calls = []
    monkeypatch.setattr(cli, "main", lambda arguments, **how: calls.append(arguments))
    monkeypatch.setattr(page, "_warm_up", lambda runs: None)
    return calls


def test_it_is_run_by_streamlit_for_this_machine_alone(command, runs, started):
    result = command("page", runs["generative"], "--port", "8600")
    assert result.code == 0, result.err
    where = ["--server.port=8600", "--server.address=127.0.0.1"]
    assert started == [["run", str(APP), *where, "--", str(runs["generative"])]]
    assert "http://127.0.0.1:8600" in result.err


def test_what_cannot_be_opened_is_refused_before_it_starts(refused, started, tmp_path):
    assert "no such folder" in refused("page", tmp_path / "gone")
    assert "neither run.json" in refused("page", tmp_path)
    assert not started


def test_without_streamlit_it_says_what_to_install(command, monkeypatch):
    from mcqa.cli import page

    monkeypatch.setattr(page, "find_spec", lambda name: None)
    result = command("page")
    assert result.code == 1
    assert result.err == (
        "Error: mcqa page: streamlit is not installed; pip install 'mcqa[page]'.\n"
    )


def test_nothing_is_sent_and_nobody_else_is_served_by_default():
    settings = tomllib.loads((APP.parent / ".streamlit/config.toml").read_text())
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["client"]["showErrorDetails"] == "none"
    assert settings["runner"]["postScriptGC"] is False  # see there


def test_what_the_page_opens_on_is_loaded_once_and_ahead(runs, tmp_path, monkeypatch):
    from mcqa.page import asking
    from mcqa.page.sources import stamp

    loaded = []
    monkeypatch.setattr(asking, "load_scorer", lambda model, **how: loaded.append(model) or model)
    asking._loaded.cache_clear()
    try:
        run = str(runs["generative"])
        asking.load_ahead([run, *[str(tmp_path / "gone")] * 3])
        assert loaded == [run, str(tmp_path / "gone")]
        assert asking.load(run, (), stamp(run)) == run
        assert loaded.count(run) == 1
    finally:
        asking._loaded.cache_clear()
