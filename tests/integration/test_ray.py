"""Scoring on a Ray cluster of two nodes: the bits of one process.

What is expensive to kill, nodes and the command itself, `benchmarks/ray_kills.py` kills.
"""

import gzip
import json
import os
import shlex
import shutil
from dataclasses import replace
from importlib.resources import files

import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

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
    """32 questions of all kinds and two rows that are none, and 20 choices; one id is in both."""
    folder = tmp_path_factory.mktemp("data")
    rows = [
        {"id": f"q{number}", "question": q.stem, "options": q.options, "label": q.label}
        for number, q in enumerate([*tiny_questions, *tiny_questions][:52])
    ]
    of_kinds = {
        "choice": lambda row: {},
        "several": lambda row: {"label": [row["label"]], "state_id": "s"},
        "scale": lambda row: {},
        "yes_no": lambda row: {"options": ["Yes", "No"], "label": row["label"] % 2},
    }
    with gzip.open(folder / "a.jsonl.gz", "wt") as file:
        for number, row in enumerate(rows[:32]):
            kind = [*of_kinds][number % 4]
            file.write(json.dumps(row | {"kind": kind, **of_kinds[kind](row)}) + "\n")
            if number % 16 == 5:
                file.write(json.dumps(row | {"id": f"bad{number}", "options": []}) + "\n")
    parquet.write_table(pa.Table.from_pylist(rows[31:51]), folder / "b.parquet")
    return folder


@pytest.fixture(scope="module")
def flags(tiny_model_folder, data):
    model = ["--model", tiny_model_folder, "--scorer", "text", "--device", "cpu"]
    return [*model, "--data", data, "--skip-invalid", "--batch-size", 4, "--block", BLOCK]


@pytest.fixture(scope="module")
def ray_flags(flags, cluster):
    on_two = ["--engine", "ray", "--ray-address", cluster.address, "--workers", 2]
    return ["score", *flags, *on_two, "--output"]


@pytest.fixture(scope="module")
def finished(run_main, ray_flags, tmp_path_factory):
    """A finished folder of parts, to be copied."""
    folder = tmp_path_factory.mktemp("finished") / "parts"
    assert run_main(*ray_flags, folder) == 0
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "parts")


@pytest.fixture
def merged(command, tmp_path):
    """Put a folder's parts together and return the file."""

    def run(folder):
        output = tmp_path / "merged" / "p.jsonl"
        result = command("merge-predictions", folder, "--output", output)
        assert result.code == 0, result.err
        return output

    return run


def rejected_reasons(folder):
    lines = [line for path in (folder / "rejected").iterdir() for line in path.open()]
    return sorted(json.loads(line)["reason"] for line in lines)


@pytest.mark.bits
def test_two_nodes_give_the_bits_of_one_process(command, flags, finished, merged, tmp_path):
    """Questions of all kinds, from files of two kinds that share an id."""
    alone = tmp_path / "alone.jsonl"
    assert command("score", *flags, "--output", alone).code == 0
    assert merged(finished).read_bytes() == alone.read_bytes()
    predictions = read_predictions(alone)
    assert [p.id for p in predictions][30:34] == ["a:q30", "a:q31", "b:q31", "b:q32"]
    assert [p.kind for p in predictions][:4] == ["choice", "several", "scale", "yes_no"]
    manifest = json.loads((finished / "manifest.json").read_text())
    assert [part["n"] for part in manifest["parts"]] == [16, 16, 16, 4]
    assert (manifest["n"], manifest["rejected"]) == (52, 2)
    assert {kind: counts["n"] for kind, counts in manifest["kinds"].items()} == {
        "choice": 28,
        "yes_no": 8,
        "scale": 8,
        "several": 8,
    }
    assert len(rejected_reasons(finished)) == 2
    assert not list(finished.glob("tries/*"))
    part = json.loads((finished / "questions/00000.json").read_text())["parts"][0]
    question = questions_of(Place.of(str(finished)), part)[1]
    assert (question.subject, question.state_id) == ("a", "a:s")


def test_it_goes_on_from_the_parts_that_are_whole(command, ray_flags, copied, merged, finished):
    kept = {path: path.stat().st_mtime_ns for path in (copied / "predictions").iterdir()}
    cut = copied / "predictions/00000-00001.parquet"
    cut.write_bytes(cut.read_bytes()[:-100])
    (copied / "predictions/00001-00001.json").unlink()
    (copied / "questions/00001-00000.parquet").write_bytes(b"")
    result = command(*ray_flags, copied, "--format", "json")
    assert result.code == 0, result.err
    assert "2 parts are there already" in result.err
    ours = merged(copied).read_bytes()
    assert ours == merged(finished).read_bytes()
    changed = {p.stem for p, before in kept.items() if p.stat().st_mtime_ns != before}
    assert changed == {"00000-00001", "00001-00001"}
    metrics = json.loads(result.out)
    assert (metrics["n"], metrics["rejected"], metrics["accuracy"]) == (52, 2, None)
    predictions = read_predictions(merged(copied))
    for kind, own in metrics["kinds"].items():
        right = [p.correct for p in predictions if p.kind == kind]
        assert own["accuracy"] == sum(right) / own["n"]


def test_other_work_is_refused_by_name(refused, ray_flags, copied, data, tmp_path):
    other = shutil.copytree(data, tmp_path / "data")
    parquet.write_table(parquet.read_table(data / "b.parquet")[:9], other / "b.parquet")
    changed = ["--data", other, "--template", "lettered", "--block", 17, "--unlabelled", "error"]
    flags = [flag for flag in ray_flags if flag not in ("--data", data)]
    message = refused(*flags, copied, *changed)
    assert "template: 'cloze' then, 'lettered' now" in message
    assert "block: 16 then, 17 now" in message
    assert "unlabelled: 'keep' then, 'error' now" in message
    assert "data: '2 files with checksum" in message


POISON = """
import os, signal
from mcqa.scoring import tries
from mcqa.scoring.scorer import Scorer

tries.DEATHS = 1
score_batch = Scorer._score_batch

def score(self, batch):
    if any(encoded.question.id == "q17" for encoded in batch):
        os.kill(os.getpid(), signal.SIGKILL)
    return score_batch(self, batch)

Scorer._score_batch = score
"""


def test_a_question_that_kills_workers_is_found_and_left_out(
    command, cluster, tiny_model_folder, question_file, merged, monkeypatch, tmp_path
):
    from mcqa.scoring import ray_job

    class Watched(ray_job.ScoreParts):
        def __init__(self, *arguments):
            exec(POISON, {})
            super().__init__(*arguments)

    monkeypatch.setattr(ray_job, "ScoreParts", Watched)
    flags = ["--model", tiny_model_folder, "--scorer", "text", "--device", "cpu"]
    flags += ["--data", question_file, "--batch-size", 4, "--skip-invalid"]
    alone = tmp_path / "alone.jsonl"
    assert command("score", *flags, "--output", alone).code == 0
    flags += ["--engine", "ray", "--ray-address", cluster.address]
    result = command("score", *flags, "--output", tmp_path / "parts")
    assert result.code == 0, result.err
    assert rejected_reasons(tmp_path / "parts") == ["its worker died of it, 1 times."]
    ours = {p.id: p for p in read_predictions(merged(tmp_path / "parts"))}
    theirs = read_predictions(alone)
    assert [p.id for p in theirs if p.id not in ours] == ["q17"]
    differing = [p.id for p in theirs if p.id != "q17" and ours[p.id] != p]
    assert len(differing) <= 3  # those of its batch, which are scored one by one


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
    command, refused, tiny_model_folder, question_file, data, cluster, tmp_path, monkeypatch
):
    from mcqa.scoring import ray_job

    monkeypatch.setattr(ray_job, "BLOCK", 20)
    specs = [f"{tiny_model_folder}:text", f"{tiny_model_folder}:text-mean"]
    flags = ["evaluate", "--model", specs[0], "--model", specs[1], "--device", "cpu"]
    on_ray = ["--engine", "ray", "--ray-address", cluster.address]
    here, there = tmp_path / "here", tmp_path / "there"
    message = refused(*flags, *on_ray, "--data", data, "--skip-invalid", "--output", there)
    assert "questions of the kinds scale, several, yes_no are scored on Ray" in message
    there = tmp_path / "parts"
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
