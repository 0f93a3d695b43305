from pathlib import Path

import pytest
import yaml

from mcqa.errors import ConfigError
from mcqa.study.grid import make_grid, read_grid


def names(**fields):
    return [cell.name for cell in make_grid(fields).cells()]


def test_by_default_both_formulations_are_trained_on_the_bundled_questions_with_three_seeds():
    cells = make_grid({}).cells()
    assert len(cells) == 6
    assert {cell.formulation for cell in cells} == {"generative", "multiple_choice"}
    assert [cell.seed for cell in cells] == [0, 0, 1, 1, 2, 2]
    assert cells[0].config(Path("out")).data == ("bundled",)


def test_a_cell_keeps_its_name_in_a_larger_grid():
    small = names(seeds=[7])
    assert small == [
        "bundled-smollm2-135m-generative-all-seed7",
        "bundled-smollm2-135m-multiple_choice-all-seed7",
    ]
    data = {"bundled": {}, "y": {"data": "b.jsonl", "test": "t.jsonl"}}
    large = names(seeds=[7, 8], sizes=[250, None], data=data, models=["smollm2-135m", "one/x"])
    assert set(small) < set(large)
    assert len(set(large)) == 32
    assert "y-x-generative-250-seed8" in large


def test_an_arm_s_settings_go_over_those_of_all():
    formulations = {
        "plain": {"formulation": "generative"},
        "slow": {"formulation": "generative", "learning_rate": 1e-5},
    }
    grid = make_grid({"formulations": formulations, "settings": {"learning_rate": 1e-3}})
    rates = {cell.arm: cell.config(Path("out")).learning_rate for cell in grid.cells()}
    assert rates == {"plain": 1e-3, "slow": 1e-5}


def test_a_formulation_may_be_trained_on_other_questions_than_those_of_the_data_set():
    mixed = {"formulation": "multiple_choice", "data": ["a.jsonl", "bundled-scale"]}
    formulations = {"alone": {"formulation": "multiple_choice"}, "mixed": mixed}
    data = {"a": {"data": "a.jsonl", "test": "t.jsonl"}}
    grid = make_grid({"formulations": formulations, "data": data, "seeds": [0]})
    trained = {cell.arm: cell.config(Path("out")).data for cell in grid.cells()}
    assert trained == {"alone": ("a.jsonl",), "mixed": ("a.jsonl", "bundled-scale")}


@pytest.mark.parametrize("source", [["bundled", "bundled-scale"], "a.jsonl", {"a.jsonl": 2}])
def test_a_data_set_without_a_split_of_its_own_names_a_test(source):
    assert make_grid({"data": {"a": {"data": source, "test": "t.jsonl"}}})
    with pytest.raises(ConfigError, match="name `test`"):
        make_grid({"data": {"a": {"data": source}}})


def test_flags_go_over_the_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"seeds": [0, 1, 2], "sizes": [100]}))
    assert read_grid(path, {"seeds": (5,), "sizes": None}).seeds == (5,)
    assert read_grid(path, {"seeds": (5,), "sizes": None}).sizes == (100,)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", ""])
def test_what_is_no_study_is_refused(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    if not text:  # all defaults
        assert read_grid(path).seeds == (0, 1, 2)
        return
    with pytest.raises(ConfigError, match=r"study\.yaml"):
        read_grid(path)


def test_base_models_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two cells are called bundled-x-generative-all-seed0"):
        make_grid({"models": ["one/x", "two/x"]}).cells()


@pytest.mark.parametrize(
    "source", [{"data": "a.jsonl"}, {"data": "o/n", "split": "train", "test_split": "train"}]
)
def test_training_questions_are_not_the_test_by_default(source):
    with pytest.raises(ConfigError, match="the training questions would be the test"):
        make_grid({"data": {"x": source}})
