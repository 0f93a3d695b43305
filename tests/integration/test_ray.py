"""Scoring on a Ray cluster of two nodes: the bits of one process, whatever dies on the way."""

import gzip
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from importlib.resources import files

import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from mcqa.cli.score import command as score_command
from mcqa.evaluating.evaluate import folder_name
from mcqa.prediction import Prediction, read_predictions
from mcqa.scoring.parts import Place, read_parts

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
def large_file(data_folder, tiny_questions):
    """180 questions of several lengths, and three rows that are none."""
    path = data_folder / "large.jsonl"
    with path.open("w") as file:
        for number in range(180):
            question = tiny_questions[number % 36]
            stem = question.stem + " Really?" * (number % 7)
            row = {"id": f"q{number}", "question": stem, "options": question.options}
            file.write(json.dumps(row | {"label": question.label}) + "\n")
            if number % 60 == 30:
                file.write(json.dumps(row | {"id": f"bad{number}", "options": []}) + "\n")
    return path


@pytest.fixture(scope="module")
def flags(tiny_model_folder, large_file):
    model = ["--model", tiny_model_folder, "--scorer", "text", "--device", "cpu"]
    return [*model, "--data", large_file, "--skip-invalid", "--batch-size", 4, "--block", BLOCK]


@pytest.fixture(scope="module")
def alone(run_main, flags, tmp_path_factory):
    """The predictions file of one process."""
    output = tmp_path_factory.mktemp("alone") / "p.jsonl"
    assert run_main("score", *flags, "--output", output) == 0
    return output.read_bytes()


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
def folder(tmp_path):
    return tmp_path / "parts"


@pytest.fixture
def copied(finished, folder):
    return shutil.copytree(finished, folder)


@pytest.fixture
def on_ray(command, ray_flags, folder):
    """Score on the cluster, and return the command's result; more flags come last."""
    return lambda *more: command(*ray_flags, folder, *more)


@pytest.fixture
def merged(command, folder, tmp_path):
    """Put the folder's parts together and return the file's bytes."""

    def run():
        output = tmp_path / "merged" / "p.jsonl"
        result = command("merge-predictions", folder, "--output", output)
        assert result.code == 0, result.err
        return output.read_bytes()

    return run


def rejected_reasons(folder):
    lines = [line for path in (folder / "rejected").iterdir() for line in path.open()]
    return sorted(json.loads(line)["reason"] for line in lines)


@pytest.mark.bits
def test_two_nodes_give_the_bits_of_one_process(copied, merged, alone):
    assert merged() == alone
    assert len(alone.splitlines()) == 180
    manifest = json.loads((copied / "manifest.json").read_text())
    assert [part["n"] for part in manifest["parts"]] == [16] * 11 + [4]
    assert (manifest["n"], manifest["rejected"]) == (180, 3)
    assert len(rejected_reasons(copied)) == 3
    assert not list(copied.glob("tries/*"))


def test_it_goes_on_from_the_parts_that_are_whole(on_ray, copied, merged, alone, tmp_path):
    kept = {path: path.stat().st_mtime_ns for path in (copied / "predictions").iterdir()}
    cut = copied / "predictions/00000-00003.parquet"
    cut.write_bytes(cut.read_bytes()[:-100])
    (copied / "predictions/00000-00005.json").unlink()
    (copied / "predictions/00000-00007.parquet").unlink()
    (copied / "questions/00000-00009.parquet").write_bytes(b"")
    result = on_ray("--format", "json")
    assert result.code == 0, result.err
    assert "9 parts are there already" in result.err
    assert merged() == alone
    changed = {p.stem for p, before in kept.items() if p.stat().st_mtime_ns != before}
    assert changed == {"00000-00003", "00000-00005", "00000-00007"}
    metrics = json.loads(result.out)
    assert (metrics["n"], metrics["rejected"]) == (180, 3)
    right = sum(p.correct for p in read_predictions(tmp_path / "merged" / "p.jsonl"))
    assert metrics["accuracy"] == right / 180


def test_other_work_is_refused_by_name(refused, ray_flags, copied, large_file, runs, tmp_path):
    flags = [*ray_flags, copied]
    message = refused(*flags, "--template", "lettered", "--block", 17, "--unlabelled", "error")
    assert "template: 'cloze' then, 'lettered' now" in message
    assert "block: 16 then, 17 now" in message
    assert "unlabelled: 'keep' then, 'error' now" in message
    other = tmp_path / "large.jsonl"
    other.write_text(large_file.read_text().replace("Really", "Truly"))
    message = refused(*flags, "--data", other, "--model", runs["generative"])
    assert "data: '1 files with checksum" in message
    assert "weights: " in message


def test_a_worker_that_would_score_otherwise_is_refused(tiny_model_folder):
    from mcqa.errors import ModelError
    from mcqa.scoring.ray import Score

    expected = Score(str(tiny_model_folder), device="cpu").describe()
    Score(str(tiny_model_folder), device="cpu", expected=expected)
    with pytest.raises(ModelError, match="weights: 'other' then"):
        Score(str(tiny_model_folder), device="cpu", expected=expected | {"weights": "other"})


def test_a_bad_row_is_an_error_without_skip_invalid(refused, flags, cluster, tmp_path):
    strict = [flag for flag in flags if flag != "--skip-invalid"]
    ray_flags = ["--engine", "ray", "--ray-address", cluster.address]
    message = refused("score", *strict, *ray_flags, "--output", tmp_path / "parts")
    assert "large.jsonl, line 32:" in message


@pytest.fixture
def watched(monkeypatch):
    """Run code in each worker before it loads the model; `folder` is where the parts are."""
    from mcqa.scoring import ray_job

    def watch(code):
        class Watched(ray_job.ScoreParts):
            def __init__(self, folder, *arguments):
                exec(code, {"folder": folder})
                super().__init__(folder, *arguments)

        monkeypatch.setattr(ray_job, "ScoreParts", Watched)

    return watch


POISON = """
import os, signal
from mcqa.scoring.scorer import Scorer

score_batch = Scorer._score_batch

def score(self, batch):
    if any(encoded.question.id == "q77" for encoded in batch):
        os.kill(os.getpid(), signal.SIGKILL)
    return score_batch(self, batch)

Scorer._score_batch = score
"""

DYING = """
import os, signal
from pathlib import Path
from mcqa.scoring.scorer import Scorer

score_batch, mark, seen = Scorer._score_batch, Path(f"{folder}-died"), []

def score(self, batch):
    seen.append(batch)
    if len(seen) == 6 and not list(mark.parent.glob(f"{mark.name}*")):
        Path(f"{mark}{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return score_batch(self, batch)

Scorer._score_batch = score
"""

SLOW = """
import ray, time
from pathlib import Path
from mcqa.scoring.scorer import Scorer

score_batch = Scorer._score_batch
node = Path(f"{folder}-{ray.get_runtime_context().get_node_id()}")

def score(self, batch):
    node.touch()
    time.sleep(0.2)
    return score_batch(self, batch)

Scorer._score_batch = score
"""


def test_a_question_that_kills_workers_is_found_and_left_out(
    on_ray, folder, merged, alone, watched, tmp_path
):
    watched(POISON)
    result = on_ray("--format", "json")
    assert result.code == 0, result.err
    (reason,) = [r for r in rejected_reasons(folder) if "died" in r]
    assert reason == "its worker died of it, 2 times."
    merged()
    ours = {p.id: p for p in read_predictions(tmp_path / "merged" / "p.jsonl")}
    theirs = [Prediction.from_row(json.loads(line)) for line in alone.splitlines()]
    assert [p.id for p in theirs if p.id not in ours] == ["q77"]
    differing = [p.id for p in theirs if p.id != "q77" and ours[p.id] != p]
    assert len(differing) <= 3  # those of its batch, which are scored one by one


def test_a_worker_that_dies_by_chance_changes_nothing(on_ray, folder, merged, alone, watched):
    watched(DYING)
    result = on_ray()
    assert result.code == 0, result.err
    assert list(folder.parent.glob("parts-died*"))
    assert merged() == alone
    assert len(rejected_reasons(folder)) == 3


def test_a_node_that_goes_changes_nothing(cluster, on_ray, folder, merged, alone, watched):
    watched(SLOW)
    node = cluster.add_node(num_cpus=1)
    place = folder.with_name(f"parts-{node.node_id}")

    def remove():
        while not place.exists() and running:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    running = [True]
    thread = threading.Thread(target=remove)
    thread.start()
    result = on_ray("--workers", 3)
    running.clear()
    thread.join()
    assert result.code == 0, result.err
    assert place.exists()
    assert merged() == alone


def test_the_same_command_goes_on_after_its_process_was_killed(
    on_ray, ray_flags, folder, merged, alone
):
    command = [sys.executable, "-m", "mcqa", *map(str, ray_flags), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not list(folder.glob("predictions/*.json")) and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    _, said = process.communicate()
    assert not (folder / "manifest.json").exists(), said
    result = on_ray()
    assert result.code == 0, result.err
    assert "are there already" in result.err
    assert merged() == alone


def test_score_is_a_class_for_anybodys_map_batches(cluster, tiny_model_folder, tiny_questions):
    from mcqa.scoring.loading import load_scorer
    from mcqa.scoring.ray import Score

    rows = [
        {"id": q.id, "question": q.stem, "options": list(q.options), "label": q.label}
        for q in tiny_questions
    ]
    settings = {"model": str(tiny_model_folder), "scorer": "text", "device": "cpu"}
    scored = ray.data.from_items(rows, override_num_blocks=3).map_batches(
        Score,
        fn_constructor_kwargs=settings,
        batch_size=12,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    found = {row["id"]: row for row in scored.take_all()}
    scorer = load_scorer(**settings)
    plain = [replace(question, context=None) for question in tiny_questions]
    for start in range(0, 36, 12):
        for prediction in scorer.score_many(plain[start : start + 12]):
            assert tuple(found[prediction.id]["scores"]) == prediction.scores


def test_files_of_all_kinds_are_read_and_ids_that_two_share_get_their_names(
    command, tiny_model_folder, tiny_questions, cluster, folder, tmp_path
):
    rows = [{"id": q.id, "question": q.stem, "options": q.options} for q in tiny_questions[:6]]
    rows = [row | {"label": q.label} for row, q in zip(rows, tiny_questions, strict=False)]
    data = tmp_path / "data"
    data.mkdir()
    with gzip.open(data / "a.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows[:4])
    parquet.write_table(pa.Table.from_pylist(rows[3:]), data / "b.parquet")
    flags = ["score", "--model", tiny_model_folder, "--device", "cpu", "--data", data]
    flags += ["--engine", "ray", "--ray-address", cluster.address, "--output", folder]
    for _ in range(2):  # and again, of what is there
        result = command(*flags)
        assert result.code == 0, result.err
        ids = [p.id for p in read_parts(Place.of(str(folder)))]
        assert ids == ["a:q0", "a:q1", "a:q2", "a:q3", "b:q3", "b:q4", "b:q5"]
    assert "2 parts are there already" in result.err


def test_an_evaluation_of_parts_is_that_of_one_process(
    command, flags, cluster, folder, tmp_path, monkeypatch
):
    from mcqa.scoring import ray_job

    monkeypatch.setattr(ray_job, "BLOCK", 64)
    flags = ["evaluate", *flags[:2], *flags[4:-2]]  # without --scorer and --block
    flags[1:3] = "--model", f"{flags[2]}:text", "--model", f"{flags[2]}:text-mean"
    here = tmp_path / "here"
    result = command(*flags, "--cluster-by", "none", "--output", here)
    assert result.code == 0, result.err
    on_ray = ["--engine", "ray", "--ray-address", cluster.address, "--workers", 2]
    result = command(*flags, *on_ray, "--output", folder, "--format", "json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    for row in told["models"]:
        ours, theirs = (
            json.loads((f / folder_name(row["name"]) / "metrics.json").read_text())
            for f in (folder, here)
        )
        assert row["metrics"] == ours
        for name in ("n", "accuracy", "accuracy_ci95", "unlabelled", "tokens_per_question"):
            assert ours[name] == theirs[name]
        assert set(ours["metrics"]) == set(theirs["metrics"])
        for name in ("nll", "brier", "mrr", "macro_f1"):
            value = theirs["metrics"][name]["value"]
            assert ours["metrics"][name]["value"] == pytest.approx(value, abs=1e-5)
    ours, theirs = (json.loads((f / "comparison.json").read_text()) for f in (folder, here))
    for name in ("a", "b", "difference", "difference_ci95", "mcnemar", "verdict"):
        assert ours[name] == theirs[name]
    assert told["comparisons"] == [ours]


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
