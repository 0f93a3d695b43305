"""What is there of a set that is scored in parts, with this process in place of a cluster.

On a cluster: `test_ray.py`.
"""

import contextlib
import json
import shutil

import pytest
from files_of_kinds import write_files
from pyarrow import parquet

from mcqa.prediction import read_predictions
from mcqa.scoring import ray_job
from mcqa.system import cluster
from mcqa.system.cluster import packed, unpacked

BLOCK = 16


@pytest.fixture(scope="module")
def here():
    """Run tasks and workers in this process."""

    def run_tasks(function, items, **machines):
        return ((number, function(item)) for number, item in enumerate(items))

    def scored(folder, parts, numbers, skip_invalid, how, machines):
        worker = ray_job.ScoreParts(folder, skip_invalid, how)
        for number in numbers:
            (row,) = worker({name: [value] for name, value in packed(parts[number]).items()})
            yield number, *unpacked({name: value for name, (value,) in row.items()})

    def joined(address, announce):
        return contextlib.nullcontext()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ray_job, "run_tasks", run_tasks)
        patched.setattr(ray_job, "_scored", scored)
        patched.setattr(ray_job, "cluster", joined)
        patched.setattr(cluster, "cluster", joined)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory, tiny_questions):
    return write_files(tmp_path_factory.mktemp("data"), tiny_questions)


@pytest.fixture(scope="module")
def flags(here, tiny_model_folder, data):
    model = ["--model", tiny_model_folder, "--scorer", "text", "--device", "cpu"]
    model += ["--skip-invalid", "--batch-size", 4, "--engine", "ray"]
    return ["score", *model, "--data", data, "--block", BLOCK, "--output"]


@pytest.fixture(scope="module")
def finished(run_main, flags, tmp_path_factory):
    """A finished folder of parts, to be copied."""
    folder = tmp_path_factory.mktemp("finished") / "parts"
    assert run_main(*flags, folder) == 0
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


def test_it_goes_on_from_the_parts_that_are_whole(command, flags, copied, merged, finished):
    kept = {path: path.stat().st_mtime_ns for path in (copied / "predictions").iterdir()}
    cut = copied / "predictions/00000-00001.parquet"
    cut.write_bytes(cut.read_bytes()[:-100])
    (copied / "predictions/00001-00001.json").unlink()
    (copied / "questions/00001-00000.parquet").write_bytes(b"")
    result = command(*flags, copied, "--format", "json")
    assert result.code == 0, result.err
    assert "2 parts are there already" in result.err
    assert merged(copied).read_bytes() == merged(finished).read_bytes()
    changed = {p.stem for p, before in kept.items() if p.stat().st_mtime_ns != before}
    assert changed == {"00000-00001", "00001-00001"}
    metrics = json.loads(result.out)
    assert (metrics["n"], metrics["rejected"], metrics["accuracy"]) == (52, 2, None)
    predictions = read_predictions(merged(copied))
    for kind, own in metrics["kinds"].items():
        right = [p.correct for p in predictions if p.kind == kind]
        assert own["accuracy"] == sum(right) / own["n"]


def test_other_work_is_refused_by_name(refused, flags, copied, data, tmp_path):
    other = shutil.copytree(data, tmp_path / "data")
    parquet.write_table(parquet.read_table(data / "b.parquet")[:9], other / "b.parquet")
    changed = ["--data", other, "--template", "lettered", "--block", 17, "--unlabelled", "error"]
    others = [flag for flag in flags if flag not in ("--data", data)]
    message = refused(*others, copied, *changed)
    assert "template: 'cloze' then, 'lettered' now" in message
    assert "block: 16 then, 17 now" in message
    assert "unlabelled: 'keep' then, 'error' now" in message
    assert "data: '2 files with checksum" in message


def test_with_overwrite_it_starts_anew(command, flags, copied, merged, finished):
    result = command(*flags, copied, "--overwrite", "--block", 60)
    assert result.code == 0, result.err
    assert "there already" not in result.err
    assert len(list((copied / "predictions").glob("*.json"))) == 2
    ids = [p.id for p in read_predictions(merged(copied))]
    assert ids == [p.id for p in read_predictions(merged(finished))]


def test_questions_of_other_kinds_are_not_evaluated(
    refused, here, tiny_model_folder, data, tmp_path
):
    flags = ["evaluate", "--model", f"{tiny_model_folder}:text", "--device", "cpu"]
    flags += ["--engine", "ray", "--data", data, "--skip-invalid", "--output", tmp_path / "e"]
    assert "questions of the kinds scale, several, yes_no are scored on Ray" in refused(*flags)
