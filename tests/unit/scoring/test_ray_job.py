"""What is asked of a cluster, with tasks that run here."""

import json

import pytest

from mcqa.scoring import ray_job
from mcqa.scoring.parts import Place, questions_of


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read files of rows with these ids by name, and return the records with the parts' ids."""

    def run_tasks(function, items, **machines):
        ran.append(len(items))
        return ((number, function(item)) for number, item in enumerate(items))

    ran = []
    monkeypatch.setattr(ray_job, "run_tasks", run_tasks)
    folder = Place.of(str(tmp_path / "parts"))

    def read(ids_of):
        files = []
        for name, ids in ids_of.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            rows = [{"id": id, "question": "?", "options": ["a", "b"], "label": 0} for id in ids]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            files.append(Place.of(str(path)))
        ran.clear()
        records = ray_job._read(folder, files, 2, {"format": "generic"})
        found = [[q.id for p in r["parts"] for q in questions_of(folder, p)] for r in records]
        return found, list(ran)

    return read


def test_ids_of_several_files_stay_where_no_two_share_one(read):
    assert read({"a.jsonl": "pqr", "b.jsonl": "st"}) == ([list("pqr"), list("st")], [2, 1])


def test_where_two_files_share_an_id_the_names_are_put_before_all(read):
    shared = {"a.jsonl": "pqr", "b.jsonl": "rs"}
    found = [["a:p", "a:q", "a:r"], ["b:r", "b:s"]]
    assert read(shared) == (found, [2, 1, 2])
    assert read(shared) == (found, [2, 2])  # what is there needs no comparison
    paths = {"x/a.jsonl": "p", "y/a.jsonl": "p"}
    (one, other), _ = read(paths)
    assert one[0].endswith("x/a.jsonl:p")
    assert other[0].endswith("y/a.jsonl:p")


def test_many_ids_are_compared_in_several_tasks(read, monkeypatch):
    monkeypatch.setattr(ray_job, "IDS_AT_ONCE", 16)
    found, ran = read({"a.jsonl": "pqrs", "b.jsonl": "tuvw"})
    assert found == [list("pqrs"), list("tuvw")]
    assert ran == [2, 4]  # 64 bytes
