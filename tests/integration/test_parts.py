"""Sets that are scored in parts, with this process in place of a Ray cluster.

On a cluster: `test_ray.py`. Ray need not be installed here.
"""

import contextlib
import json
import shutil

import pytest
from files_of_kinds import write_files
from pyarrow import parquet

from mcqa.evaluating import on_parts
from mcqa.evaluating.evaluate import folder_name
from mcqa.prediction import read_predictions
from mcqa.scoring import ray_job
from mcqa.scoring.parts import Place, questions_of
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
        patched.setattr(on_parts, "run_tasks", run_tasks)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory, tiny_questions):
    return write_files(tmp_path_factory.mktemp("data"), tiny_questions)


@pytest.fixture(scope="module")
def alone_flags(tiny_model_folder, data):
    flags = ["score", "--model", tiny_model_folder, "--scorer", "text", "--device", "cpu"]
    return [*flags, "--data", data, "--skip-invalid", "--batch-size", 4, "--block", BLOCK]


@pytest.fixture(scope="module")
def flags(here, alone_flags):
    return [*alone_flags, "--engine", "ray", "--output"]


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


@pytest.mark.bits
def test_parts_have_the_bits_of_the_whole(command, alone_flags, finished, merged, tmp_path):
    """Of questions of all kinds, from files of two kinds that share an id."""
    alone = tmp_path / "alone.jsonl"
    assert command(*alone_flags, "--output", alone).code == 0
    assert merged(finished).read_bytes() == alone.read_bytes()
    predictions = read_predictions(alone)
    assert [p.id for p in predictions][30:34] == ["a:q30", "a:q31", "b:q31", "b:q32"]
    assert [p.kind for p in predictions][:4] == ["choice", "several", "scale", "yes_no"]
    manifest = json.loads((finished / "manifest.json").read_text())
    assert [part["n"] for part in manifest["parts"]] == [16, 16, 16, 4]
    assert (manifest["n"], manifest["rejected"]) == (52, 2)
    kinds = {kind: counts["n"] for kind, counts in manifest["kinds"].items()}
    assert kinds == {"choice": 28, "yes_no": 8, "scale": 8, "several": 8}
    (rejected,) = (finished / "rejected").iterdir()
    assert len(rejected.read_text().splitlines()) == 2
    assert not list(finished.glob("tries/*"))
    part = json.loads((finished / "questions/00000.json").read_text())["parts"][0]
    question = questions_of(Place.of(str(finished)), part)[1]
    assert (question.subject, question.state_id) == ("a", "a:s")


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


def test_an_evaluation_of_parts_is_that_of_one_process(
    command, here, tiny_model_folder, question_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(ray_job, "BLOCK", 20)
    specs = [f"{tiny_model_folder}:text", f"{tiny_model_folder}:text-mean"]
    flags = ["evaluate", "--model", specs[0], "--model", specs[1], "--device", "cpu"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags += ["--data", question_file]
    result = command(*flags, "--cluster-by", "none", "--output", whole)
    assert result.code == 0, result.err
    result = command(*flags, "--engine", "ray", "--output", parts, "--format", "json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    for row in told["models"]:
        ours, theirs = (
            json.loads((f / folder_name(row["name"]) / "metrics.json").read_text())
            for f in (parts, whole)
        )
        assert row["metrics"] == ours
        for name in ("n", "accuracy", "accuracy_ci95", "unlabelled", "tokens_per_question"):
            assert ours[name] == theirs[name]
        # the one metric that is no sum over parts
        assert set(theirs["metrics"]) - set(ours["metrics"]) == {"ece_debiased"}
        for name in ("nll", "brier", "mrr", "macro_f1"):
            value = theirs["metrics"][name]["value"]
            assert ours["metrics"][name]["value"] == pytest.approx(value, abs=1e-5)
    ours, theirs = (json.loads((f / "comparison.json").read_text()) for f in (parts, whole))
    for name in ("a", "b", "difference", "difference_ci95", "mcnemar", "verdict"):
        assert ours[name] == theirs[name]
    assert told["comparisons"] == [ours]
