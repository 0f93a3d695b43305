import os

import pytest

from mcqa.errors import ModelError
from mcqa.page import sources


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(*paths):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text("{}")

    return make


DEMO = ("runs/demo/generative/run.json", "runs/demo/multiple_choice/run.json")


def test_the_demos_runs_are_opened_where_there_are_some(here):
    here(*DEMO, "runs/demo/evaluation.json", "runs/other/run.json")
    expected = ["runs/demo/generative", "runs/demo/multiple_choice"], ["runs/demo"], ""
    assert sources.opening([]) == expected
    assert sources.runs_below(sources.RUNS) == ["runs/other", *expected[0]]


def test_what_is_given_is_opened(here):
    here(*DEMO, "runs/a/run.json", "study/x/evaluation.json", "study/y/evaluation.json")
    found = sources.opening(["runs/a", "study", "gone"])
    assert found.models == ["runs/a", "gone"]
    assert found.evaluations == ["study/x", "study/y"]
    sources.require(["runs/a", "study"])
    with pytest.raises(ModelError, match=r"'\./gone': no such folder"):
        sources.require(["runs/a", "./gone"])


def test_without_runs_the_embedded_model_is_named_and_what_to_do(here):
    found = sources.opening([])
    assert found.models == ["smollm2-135m"]
    assert found.evaluations == []
    assert "`mcqa demo`" in found.note


def test_a_run_trained_anew_is_another(here):
    here("a/run.json")
    before = sources.stamp("a")
    os.utime("a/run.json", (1, 1))
    assert sources.stamp("a") != before
    assert sources.stamp("b") == 0
