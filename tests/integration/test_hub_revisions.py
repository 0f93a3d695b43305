"""Models of the Hub at a revision: which weights count, and what is written down of it."""

import json
import shutil

import pytest
from hub_cache import NEW, OLD, keep

import mcqa
from mcqa.export.push import prepare_folder
from mcqa.prediction import read_predictions
from mcqa.runs.card import model_card

QUESTION = mcqa.Question(stem="Which is a fruit?", options=("pear", "old saw", "nail"))
PLAIN = {"scorer": "text", "dtype": "float32", "device": "cpu"}


@pytest.fixture(scope="module")
def changed_folder(tiny_model_folder, tmp_path_factory):
    """The tiny model with other weights."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("changed") / "model"
    shutil.copytree(tiny_model_folder, folder)
    path = folder / "model.safetensors"
    tensors = {name: tensor * 1.5 for name, tensor in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def hub(tiny_model_folder, changed_folder, tmp_path_factory):
    """A cache of the Hub with two commits of a model: `main` is the older, `v2` the newer."""
    cache = tmp_path_factory.mktemp("hub")
    folders = {OLD: tiny_model_folder, NEW: changed_folder}
    keep(cache, "owner/tiny", folders, {"main": OLD, "v2": NEW})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        yield cache


@pytest.fixture(scope="module")
def run(hub, run_main, training, question_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("revised") / "run"
    flags = ["--model", "owner/tiny@v2", "--max-steps", 1, "--output", folder]
    validation = ["--validation-data", question_file, "--validation-limit", 8]
    assert run_main("train", "multiple-choice", *training, *flags, *validation) == 0
    return folder


def scores(model):
    return mcqa.load_scorer(str(model), **PLAIN).score(QUESTION).scores


def test_a_revision_has_its_own_weights(hub, tiny_model_folder, changed_folder):
    assert scores("owner/tiny") == scores(tiny_model_folder)
    assert scores("owner/tiny@v2") == scores(f"owner/tiny@{NEW}") == scores(changed_folder)
    assert scores("owner/tiny") != scores("owner/tiny@v2")


def test_a_run_knows_its_base_and_its_commit_and_keeps_to_it(run, question_file):
    record = json.loads((run / "run.json").read_text())
    assert (record["base_model"], record["base_commit"]) == ("owner/tiny", NEW)
    assert record["started_from"] == record["settings"]["model"] == "owner/tiny@v2"
    adapter = json.loads((run / "adapter_config.json").read_text())
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == ("owner/tiny", NEW)
    assert f'"owner/tiny", revision="{NEW}"' in model_card(record)
    # `main` has other weights, so the scores of training come back only from the commit
    scorer = mcqa.load_scorer(str(run), device="cpu")
    questions = mcqa.load_questions(question_file, limit=8)
    saved = read_predictions(run / "validation_predictions.jsonl")
    assert scorer.score_many(questions, batch_size=12) == saved


def test_what_is_pushed_names_the_commit_of_the_base_it_names(run, tmp_path):
    told = {}
    for name, base in (("own", None), ("other", "someone/copy")):
        prepare_folder(str(run), "jo/head", tmp_path / name, base=base, licence="mit")
        record = json.loads((tmp_path / name / "run.json").read_text())
        adapter = json.loads((tmp_path / name / "adapter_config.json").read_text())
        assert adapter["base_model_name_or_path"] == record["base_model"]
        assert adapter.get("revision") == record["base_commit"]
        told[name] = record["base_model"], record["base_commit"]
    assert told == {"own": ("owner/tiny", NEW), "other": ("someone/copy", None)}


def test_an_evaluation_records_the_commits(command, hub, run, question_file, tmp_path):
    models = ["--model", "owner/tiny:text", "--model", "owner/tiny@v2:text", "--model", run]
    data = ["--data", question_file, "--limit", 4, "--device", "cpu", "--output", tmp_path]
    assert command("evaluate", *models, *data).code == 0
    kept = json.loads((tmp_path / "evaluation.json").read_text())
    assert [one["commit"] for one in kept["runs"]] == [OLD, NEW, NEW]
    assert command("report", tmp_path).code == 0
    assert json.loads((tmp_path / "evaluation.json").read_text())["runs"] == kept["runs"]


def test_the_commit_of_data_is_recorded(command, tiny_model_folder, tmp_path, monkeypatch):
    import datasets

    from mcqa.training.questions import load_training

    def load_dataset(path, configuration, *, split, revision):
        files = {f"hf://datasets/{path}@{ {'v1': NEW}[revision] }/data/{split}.parquet": {}}
        rows = [{"question": "Which?", "choices": ["x", "y"], "answer": n % 2} for n in range(4)]
        return datasets.Dataset.from_list(rows, info=datasets.DatasetInfo(download_checksums=files))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    data = ["--data", "owner/quiz@v1", "--split", "dev", "--device", "cpu"]
    model = ["--model", f"{tiny_model_folder}:text", "--output", tmp_path]
    assert command("evaluate", *model, *data).code == 0
    kept = json.loads((tmp_path / "evaluation.json").read_text())
    assert kept["details"]["Data"].startswith("owner/quiz@v1, 4 questions, sha256 ")
    assert kept["details"]["Data"].endswith(f", commit {NEW}")
    [told] = load_training(["owner/quiz@v1=2"], split="train").record()["sets"]
    assert (told["source"], told["commit"], told["weight"]) == ("owner/quiz@v1", NEW, 2)


def test_a_revision_that_does_not_exist_is_told(refused, hub, question_file, tmp_path):
    flags = ["--data", question_file, "--output", tmp_path / "predictions.jsonl"]
    told = refused("score", "--model", "owner/tiny@v9", *flags)
    assert "model 'owner/tiny@v9' cannot be loaded: " in told


def test_a_flag_says_the_same(hub, run_main, training, question_file, tmp_path):
    flags = ["--data", question_file, "--scorer", "text", "--dtype", "float32", "--limit", 3]
    texts = []
    for name, model in (("flag", ["owner/tiny", "--revision", "v2"]), ("name", ["owner/tiny@v2"])):
        output = tmp_path / f"{name}.jsonl"
        assert run_main("score", "--model", *model, *flags, "--output", output) == 0
        texts.append(output.read_text())
    assert texts[0] == texts[1]
    flags = ["--model", "owner/tiny", "--revision", "v2", "--max-steps", 1]
    assert run_main("train", "generative", *training, *flags, "--output", tmp_path / "run") == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["base_commit"] == NEW
