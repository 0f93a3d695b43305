"""A study: a grid of runs over seeds and sizes, that goes on after a stop as if there were none."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from mcqa.scoring.partial import Part
from mcqa.training import checkpoints

CELLS = [
    f"fruits-tiny-llama0-{arm}-{size}-seed{seed}"
    for seed in (0, 1, 2)
    for size in (12, 24)
    for arm in ("generative", "head")
]


@pytest.fixture(scope="module")
def study_fields(tiny_model_folder, question_file, validation_file, tmp_path_factory):
    lines = question_file.read_text().splitlines(keepends=True)
    train = str(tmp_path_factory.mktemp("study") / "train.jsonl")
    Path(train).write_text("".join(lines[:24]))
    return {
        "title": "Fruit or tool?",
        "data": {"fruits": {"data": train, "test": train, "validation_data": str(validation_file)}},
        "formulations": {
            "generative": {"formulation": "generative", "scorer": "text-mean"},
            "head": {"formulation": "multiple_choice"},
        },
        "models": [str(tiny_model_folder)],
        "sizes": [12, 24],
        "seeds": [0, 1, 2],
        "settings": {
            "device": "cpu",
            "quantization": "none",
            "dtype": "float32",
            "optimizer": "adamw_torch",
            "lora_r": 4,
            "warmup_steps": 0,
            "learning_rate": 1e-2,
            "batch_size": 6,
            "steps_between": 1,
        },
    }


@pytest.fixture
def study_file(tmp_path):
    """Write a study's file of these fields and return it."""

    def write(fields):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(fields))
        return path

    return write


@pytest.fixture(scope="module")
def finished(run_main, study_fields, tmp_path_factory):
    """The folder of a finished study, to be read and not changed."""
    folder = tmp_path_factory.mktemp("finished")
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(study_fields))
    assert run_main("study", file, "--output", folder / "study") == 0
    return folder / "study"


def answers(folder):
    return {name: (folder / f"cells/{name}/predictions.jsonl").read_bytes() for name in CELLS}


def test_a_study_says_which_formulation(finished):
    assert sorted(path.name for path in (finished / "cells").iterdir()) == sorted(CELLS)
    results = json.loads((finished / "results.json").read_text())
    assert [condition["size"] for condition in results["conditions"]] == [12, 24]
    for condition in results["conditions"]:
        assert [arm["name"] for arm in condition["arms"]] == ["generative", "head"]
        for arm in condition["arms"]:
            assert arm["seeds"] == [0, 1, 2]
            low, high = arm["nll"]["ci95"]
            assert low < arm["nll"]["value"] < high
        assert condition["after_temperature"]
        (pair,) = condition["differences"]
        values = {arm["name"]: arm["accuracy"]["value"] for arm in condition["arms"]}
        wanted = values["generative"] - values["head"]
        assert pair["accuracy"]["value"] == pytest.approx(wanted)
        assert set(pair["questions_needed"]) == {"1", "2", "5"}
        assert "3 seeds each, 24 questions" in pair["verdict"]
    page = (finished / "report.html").read_text()
    for pair in (condition["differences"][0] for condition in results["conditions"]):
        assert pair["verdict"].replace("'", "&#39;") in page
    assert "A training run took: generative" in page
    assert (finished / "plots/learning-1.svg").exists()


def test_a_cell_is_the_run_that_training_and_scoring_make(finished, command, tmp_path):
    cell = finished / "cells/fruits-tiny-llama0-head-12-seed1"
    told = json.loads((cell / "cell.json").read_text())
    assert told["cell"]["seed"] == 1
    assert told["cost"]["training_seconds"] > 0
    (data,) = json.loads((finished / "study.json").read_text())["data"]["fruits"]["data"]
    flags = ["--data", data, "--device", "cpu", "--output", tmp_path / "p.jsonl"]
    assert command("score", "--model", cell / "run", *flags).code == 0
    assert (tmp_path / "p.jsonl").read_bytes() == (cell / "predictions.jsonl").read_bytes()


def test_a_stopped_study_goes_on_to_the_same_results(
    finished, study_fields, study_file, command, monkeypatch, tmp_path
):
    """Stopped in the training of a cell, and then in its scoring."""
    flags = ["study", study_file(study_fields), "--output", tmp_path / "study"]
    keep_batch, write_progress = Part.__setitem__, checkpoints.write_progress
    left = {"checkpoints": 3, "batches": None}

    def stop(what):
        if left[what] == 0:
            raise KeyboardInterrupt
        left[what] = left[what] and left[what] - 1

    def stopping_batch(self, number, predictions):
        keep_batch(self, number, predictions)
        stop("batches")

    def stopping_progress(path, progress):
        stop("checkpoints")
        write_progress(path, progress)

    monkeypatch.setattr(Part, "__setitem__", stopping_batch)
    monkeypatch.setattr(checkpoints, "write_progress", stopping_progress)
    first = command(*flags)
    assert first.code == 130
    assert "the same command goes on from there" in first.err
    cell = tmp_path / "study/cells" / CELLS[1]
    assert len(list(cell.glob("run/checkpoints/*"))) == 2  # the second without its last file
    assert not (cell / "run/run.json").exists()
    assert json.loads((cell / "cell.json").read_text())["cost"] is None

    left |= {"checkpoints": None, "batches": 2}
    second = command(*flags)
    assert second.code == 130
    assert "12 cells, 1 of them done" in second.err
    (partial,) = (tmp_path / "study/cells").glob("*/predictions.partial.jsonl")
    assert (partial.parent / "run/run.json").exists()
    assert not (partial.parent / "predictions.jsonl").exists()

    left["batches"] = None
    third = command(*flags)
    assert third.code == 0, third.err
    assert answers(tmp_path / "study") == answers(finished)
    results = (tmp_path / "study/results.json").read_bytes()
    assert results == (finished / "results.json").read_bytes()
    assert not list((tmp_path / "study/cells").glob("*/predictions.partial.jsonl"))
    assert "12 cells, 1 of them done; 11 to run" in third.err
    assert f"Cell 1 of 11: {CELLS[1]}" in third.err
    assert third.err.count("Training ") == 10  # the other only had to be scored


def test_what_is_done_is_skipped_and_what_changed_is_refused(
    finished, study_fields, study_file, command, refused, monkeypatch, tmp_path
):
    folder = tmp_path / "study"
    shutil.copytree(finished, folder)
    monkeypatch.setattr("mcqa.study.cells.train", None)  # nothing is trained in this test
    again = command("study", study_file(study_fields), "--output", folder, "--format", "json")
    assert again.code == 0, again.err
    assert "12 cells, 12 of them done; 0 to run" in again.err
    assert (folder / "results.json").read_bytes() == (finished / "results.json").read_bytes()
    written = json.loads((finished / "results.json").read_text())
    assert json.loads(again.out)["conditions"] == written["conditions"]

    settings = study_fields["settings"] | {"lora_r": 8}
    message = refused(
        "study", study_file(study_fields | {"settings": settings}), "--output", folder
    )
    assert f"{folder / 'cells' / CELLS[0]} holds a cell of other work" in message
    assert "setting lora_r: 4 then, 8 now" in message
    assert "learning_rate" not in message


def test_other_data_is_refused(finished, study_fields, study_file, refused, wrong_file, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(finished, folder)
    data = {"fruits": study_fields["data"]["fruits"] | {"test": str(wrong_file)}}
    message = refused("study", study_file(study_fields | {"data": data}), "--output", folder)
    assert "test questions: '24 with checksum" in message
    assert "training questions" not in message


def test_two_seeds_claim_nothing(finished, study_fields, study_file, command, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(finished, folder)
    flags = ["--output", folder, "--seeds", "0,1", "--sizes", "12"]
    result = command("study", study_file(study_fields), *flags)
    assert result.code == 0, result.err
    assert "4 cells, 4 of them done" in result.err
    assert "nothing can be said" in result.out
    assert "there are 2 seeds; an interval takes 3" in result.out
    (condition,) = json.loads((folder / "results.json").read_text())["conditions"]
    assert condition["arms"][0]["accuracy"]["ci95"] is None
    assert condition["differences"][0]["questions_needed"] is None


def test_all_faults_of_a_file_are_named(study_fields, study_file, refused, tmp_path):
    fields = study_fields | {"seeds": [0, 0], "sizes": [0], "seed": 3}
    fields["formulations"] = {"head": {"formulation": "classifier"}}
    message = refused("study", study_file(fields), "--output", tmp_path / "study")
    for told in ("seeds: ", "values repeat", "sizes.0", "seed: ", "formulations.head.formulation"):
        assert told in message
    assert not (tmp_path / "study").exists()


def test_all_faults_of_the_settings_are_named(study_fields, study_file, refused, tmp_path):
    settings = study_fields["settings"] | {"lora_rank": 4, "batch_size": 0}
    head = study_fields["formulations"]["head"] | {"seed": 3}
    formulations = study_fields["formulations"] | {"head": head}
    fields = study_fields | {"settings": settings, "formulations": formulations}
    message = refused("study", study_file(fields), "--output", tmp_path / "study")
    for told in ("lora_rank", "batch_size", "seed: set by the study's own fields"):
        assert told in message
    assert message.count("lora_rank") == 1  # not once per cell
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("flag", ["--seeds", "--sizes"])
def test_flags_take_whole_numbers(study_fields, study_file, command, flag):
    result = command("study", study_file(study_fields), flag, "1,x")
    assert result.code == 2
    assert "'x' is not a whole number" in result.err
