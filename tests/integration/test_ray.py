"""Scoring on a Ray cluster of two nodes: the bits of one process.

What is expensive to kill, nodes and the command itself, `benchmarks/ray_kills.py` kills; what needs
no cluster is in `test_parts.py`.
"""

import json
import os
import shlex
from dataclasses import replace
from importlib.resources import files

import pytest
import yaml

from mcqa.cli.score import command as score_command
from mcqa.prediction import read_predictions

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'mcqa[ray]'")
pytest.importorskip("ray.data", reason="Ray is installed without ray[data]")

BLOCK = 16


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one CPU each, and this process in it."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = {"num_cpus": 1, "include_dashboard": False}
    started = Cluster(initialize_head=True, head_node_args=head)
    started.add_node(num_cpus=1)
    ray.init(address=started.address, log_to_driver=False, logging_level="ERROR")
    yield started
    ray.shutdown()
    started.shutdown()


POISON = """
import os, signal
from mcqa.scoring import ray_job, tries
from mcqa.scoring.scorer import Scorer

class Careful(tries.Tries):
    def __init__(self, place):
        super().__init__(place)
        self.careful = True

tries.DEATHS, ray_job.Tries = 1, Careful
score_batch = Scorer._score_batch

def score(self, batch):
    if any(encoded.question.id == "poison" for encoded in batch):
        os.kill(os.getpid(), signal.SIGKILL)
    return score_batch(self, batch)

Scorer._score_batch = score
"""  # as after a first death


@pytest.fixture(scope="module")
def evaluated(run_main, question_file, cluster, tiny_model_folder, tmp_path_factory):
    """A folder of parts that two workers scored, of whom a question killed one."""
    from mcqa.scoring import ray_job

    class Watched(ray_job.ScoreParts):
        def __init__(self, *arguments):
            exec(POISON, {})
            super().__init__(*arguments)

    folder = tmp_path_factory.mktemp("evaluated")
    options = ["a pear", "a saw", "a drill", "an axe", "a file", "a rasp"]  # a batch of its own
    poison = {"id": "poison", "question": "Which is a fruit?", "options": options, "label": 0}
    data = folder / "questions.jsonl"
    data.write_text(question_file.read_text() + json.dumps(poison) + "\n")
    flags = ["evaluate", "--model", f"{tiny_model_folder}:text", "--device", "cpu"]
    flags += ["--data", data, "--skip-invalid", "--output", folder / "parts"]
    flags += ["--engine", "ray", "--ray-address", cluster.address, "--workers", 2]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ray_job, "ScoreParts", Watched)
        patched.setattr(ray_job, "BLOCK", BLOCK)
        assert run_main(*flags) == 0
    (parts,) = (folder / "parts").iterdir()
    return parts


@pytest.mark.bits
def test_two_nodes_give_the_bits_of_one_process(
    command, tiny_model_folder, question_file, evaluated, tmp_path
):
    alone, merged = tmp_path / "alone.jsonl", tmp_path / "merged.jsonl"
    flags = ["--model", tiny_model_folder, "--scorer", "text", "--device", "cpu"]
    flags += ["--data", question_file, "--block", BLOCK]
    assert command("score", *flags, "--output", alone).code == 0
    assert command("merge-predictions", evaluated, "--output", merged).code == 0
    assert merged.read_bytes() == alone.read_bytes()
    manifest = json.loads((evaluated / "manifest.json").read_text())
    assert [part["n"] for part in manifest["parts"]] == [16, 16, 4]
    metrics = json.loads((evaluated / "metrics.json").read_text())
    right = [prediction.correct for prediction in read_predictions(alone)]
    assert (metrics["n"], metrics["accuracy"]) == (36, sum(right) / 36)


def test_a_question_that_kills_workers_is_found_and_left_out(evaluated):
    (file,) = (evaluated / "rejected").iterdir()
    (row,) = map(json.loads, file.open())
    assert row["place"] == "question 'poison'"
    assert row["reason"] == "its worker died of it, 1 times."
    assert not list(evaluated.glob("tries/*"))


def test_score_is_a_class_for_anybodys_map_batches(cluster, tiny_model_folder, tiny_questions):
    """With a batch that Ray makes; that it loads the class once a worker is Ray's promise."""
    from mcqa.errors import ModelError
    from mcqa.scoring.parts import prediction_of
    from mcqa.scoring.ray import Score

    rows = [
        {"id": q.id, "question": q.stem, "options": list(q.options), "label": q.label}
        for q in tiny_questions
    ]
    batch = ray.data.from_items(rows, override_num_blocks=1).take_batch(12)
    score = Score(model=str(tiny_model_folder), scorer="text", device="cpu")
    found = list(map(prediction_of, score(batch).to_pylist()))
    plain = [replace(question, context=None) for question in tiny_questions[:12]]
    assert found == score.scorer.score_many(plain)
    expected = score.describe()
    Score(str(tiny_model_folder), "text", device="cpu", expected=expected)
    how = {"device": "cpu", "expected": expected | {"weights": "other"}}
    with pytest.raises(ModelError, match="weights: 'other' then"):
        Score(str(tiny_model_folder), "text", **how)


def test_a_study_on_two_nodes_has_the_results_of_one_process(
    command, cluster, tiny_model_folder, question_file, validation_file, tmp_path
):
    source = {"data": str(question_file), "test": str(question_file)}
    study = {
        "title": "Fruit or tool?",
        "data": {"fruits": source | {"validation_data": str(validation_file)}},
        "formulations": {
            "generative": {"formulation": "generative", "scorer": "text-mean"},
            "head": {"formulation": "multiple_choice"},
        },
        "models": [str(tiny_model_folder)],
        "sizes": [6, 12],
        "seeds": [0, 1],
        "settings": {
            "device": "cpu",
            "quantization": "none",
            "dtype": "float32",
            "optimizer": "adamw_torch",
            "lora_r": 4,
            "warmup_steps": 0,
            "learning_rate": 1e-2,
            "batch_size": 6,
        },
    }
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study))
    on_ray = ["--engine", "ray", "--ray-address", cluster.address]
    for name, more in (("here", []), ("there", on_ray)):
        result = command("study", file, "--output", tmp_path / name, *more)
        assert result.code == 0, result.err
    assert "8 of 8 cells done" in result.err
    here, there = (tmp_path / name / "results.json" for name in ("here", "there"))
    assert there.read_bytes() == here.read_bytes()
    answers = [sorted((tmp_path / n).glob("cells/*/predictions.jsonl")) for n in ("here", "there")]
    assert len(answers[0]) == 8
    for ours, theirs in zip(*answers, strict=True):
        assert ours.read_bytes() == theirs.read_bytes()


def test_the_cluster_file_fits_rays_schema(root):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((files("ray.autoscaler") / "ray-schema.json").read_text())
    cluster = yaml.safe_load((root / "configs/ray/cluster.yaml").read_text())
    jsonschema.validate(cluster, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(cluster | {"workers": 8}, schema)


def test_the_job_of_kuberay_gives_a_command_that_there_is(root):
    """Its fields were compared with KubeRay's definition by hand, which is too large to keep."""
    job = yaml.safe_load((root / "configs/ray/job.yaml").read_text())
    program, name, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (program, name) == ("mcqa", "score")
    parameters = score_command.make_context("score", arguments).params
    (workers,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert parameters["workers"] == workers["replicas"] == workers["maxReplicas"]
