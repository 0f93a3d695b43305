"""Scoring on a Ray cluster of two nodes: the bits of one process.

What is expensive to kill, nodes and the command itself, `benchmarks/ray_kills.py` kills; what needs
no cluster is in `test_going_on_in_parts.py`.
"""

import json
import os
import shlex
from dataclasses import replace
from importlib.resources import files

import pytest
import yaml
from files_of_kinds import write_files

from mcqa.cli.score import command as score_command
from mcqa.evaluating.evaluate import folder_name
from mcqa.prediction import read_predictions
from mcqa.scoring.parts import Place, questions_of

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


@pytest.fixture(scope="module")
def data(tmp_path_factory, tiny_questions):
    """With a question that has as many options as no other, so that it is a batch of its own."""
    options = ["a pear", "a saw", "a drill", "an axe", "a file", "a rasp"]
    poison = {"id": "poison", "question": "Which is a fruit?", "options": options, "label": 0}
    return write_files(tmp_path_factory.mktemp("data"), tiny_questions, [poison])


@pytest.fixture(scope="module")
def flags(tiny_model_folder, data):
    model = ["--model", tiny_model_folder, "--scorer", "text", "--device", "cpu"]
    return [*model, "--data", data, "--skip-invalid", "--batch-size", 4, "--block", BLOCK]


POISON = """
import os, signal
from mcqa.scoring import tries
from mcqa.scoring.scorer import Scorer

tries.DEATHS = 1
score_batch = Scorer._score_batch

def score(self, batch):
    if any(encoded.question.id.endswith("poison") for encoded in batch):
        os.kill(os.getpid(), signal.SIGKILL)
    return score_batch(self, batch)

Scorer._score_batch = score
"""


@pytest.fixture(scope="module")
def finished(run_main, flags, cluster, tmp_path_factory):
    """A folder of parts that two workers finished, whom a question killed."""
    from mcqa.scoring import ray_job

    class Watched(ray_job.ScoreParts):
        def __init__(self, *arguments):
            exec(POISON, {})
            super().__init__(*arguments)

    folder = tmp_path_factory.mktemp("finished") / "parts"
    on_two = ["--engine", "ray", "--ray-address", cluster.address, "--workers", 2]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ray_job, "ScoreParts", Watched)
        assert run_main("score", *flags, *on_two, "--output", folder) == 0
    return folder


@pytest.fixture
def merged(command, tmp_path):
    """Put a folder's parts together and return the file."""

    def run(folder):
        output = tmp_path / "merged" / "p.jsonl"
        result = command("merge-predictions", folder, "--output", output)
        assert result.code == 0, result.err
        return output

    return run


@pytest.mark.bits
def test_two_nodes_give_the_bits_of_one_process(command, flags, finished, merged, tmp_path):
    """Of questions of all kinds, from files of two kinds that share an id; but for the poison."""
    alone = tmp_path / "alone.jsonl"
    assert command("score", *flags, "--output", alone).code == 0
    lines = alone.read_text().splitlines(keepends=True)
    rest = [line for line in lines if json.loads(line)["id"] != "b:poison"]
    assert len(rest) == len(lines) - 1
    assert merged(finished).read_text() == "".join(rest)
    predictions = read_predictions(alone)
    assert [p.id for p in predictions][30:34] == ["a:q30", "a:q31", "b:q31", "b:q32"]
    assert [p.kind for p in predictions][:4] == ["choice", "several", "scale", "yes_no"]
    manifest = json.loads((finished / "manifest.json").read_text())
    assert [part["n"] for part in manifest["parts"]] == [16, 16, 16, 4]
    assert (manifest["n"], manifest["rejected"]) == (52, 3)
    assert {kind: counts["n"] for kind, counts in manifest["kinds"].items()} == {
        "choice": 28,
        "yes_no": 8,
        "scale": 8,
        "several": 8,
    }
    part = json.loads((finished / "questions/00000.json").read_text())["parts"][0]
    question = questions_of(Place.of(str(finished)), part)[1]
    assert (question.subject, question.state_id) == ("a", "a:s")


def test_a_question_that_kills_workers_is_found_and_left_out(finished):
    lines = [line for path in (finished / "rejected").iterdir() for line in path.open()]
    found = {row["place"]: row["reason"] for row in map(json.loads, lines)}
    assert found["question 'b:poison'"] == "its worker died of it, 1 times."
    assert len(found) == 3
    assert not list(finished.glob("tries/*"))


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


def test_an_evaluation_of_parts_is_that_of_one_process(
    command, tiny_model_folder, question_file, cluster, tmp_path, monkeypatch
):
    from mcqa.scoring import ray_job

    monkeypatch.setattr(ray_job, "BLOCK", 20)
    specs = [f"{tiny_model_folder}:text", f"{tiny_model_folder}:text-mean"]
    flags = ["evaluate", "--model", specs[0], "--model", specs[1], "--device", "cpu"]
    on_ray = ["--engine", "ray", "--ray-address", cluster.address]
    here, there = tmp_path / "here", tmp_path / "there"
    flags += ["--data", question_file]
    result = command(*flags, "--cluster-by", "none", "--output", here)
    assert result.code == 0, result.err
    result = command(*flags, *on_ray, "--output", there, "--format", "json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    for row in told["models"]:
        ours, theirs = (
            json.loads((f / folder_name(row["name"]) / "metrics.json").read_text())
            for f in (there, here)
        )
        assert row["metrics"] == ours
        for name in ("n", "accuracy", "accuracy_ci95", "unlabelled", "tokens_per_question"):
            assert ours[name] == theirs[name]
        assert set(ours["metrics"]) == set(theirs["metrics"])
        for name in ("nll", "brier", "mrr", "macro_f1"):
            value = theirs["metrics"][name]["value"]
            assert ours["metrics"][name]["value"] == pytest.approx(value, abs=1e-5)
    ours, theirs = (json.loads((f / "comparison.json").read_text()) for f in (there, here))
    for name in ("a", "b", "difference", "difference_ci95", "mcnemar", "verdict"):
        assert ours[name] == theirs[name]
    assert told["comparisons"] == [ours]


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
