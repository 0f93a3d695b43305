"""`mcqa demo --seeds` is a study; what it asks for is looked at, and not run."""

import pytest

from mcqa.data import BUNDLED_BY_KIND


@pytest.fixture
def studied(monkeypatch):
    """What is asked of a study; none is run."""
    asked = {}

    def run(grid, output, **how):
        asked.update(grid=grid, output=str(output))
        return {"conditions": []}

    monkeypatch.setattr("mcqa.study.study.run_study", run)
    return asked


@pytest.mark.parametrize("kind", BUNDLED_BY_KIND)
def test_several_seeds_make_it_a_study_of_both_formulations(command, studied, tmp_path, kind):
    flags = ["--kind", kind, "--seed", 4, "--seeds", 3, "--train-questions", 16]
    result = command("demo", *flags)
    assert result.code == 0, result.err
    cells = studied["grid"].cells()
    assert {cell.seed for cell in cells} == {4, 5, 6}
    assert {cell.formulation for cell in cells} == {"generative", "multiple_choice"}
    for cell in cells:
        config = cell.config(tmp_path)
        assert (config.limit, config.data) == (16, (BUNDLED_BY_KIND[kind],))
        assert config.validation_split == "validation"
    assert studied["output"].startswith("runs/demo")
    assert f"{studied['output']}/report.html" in result.err


def test_the_study_goes_where_it_is_told(command, studied, tmp_path):
    assert command("demo", "--seeds", 5, "--output", tmp_path).code == 0
    assert studied["output"] == str(tmp_path)
    assert len(studied["grid"].cells()) == 10
