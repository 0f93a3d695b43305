"""What is asked of a cluster, with tasks that run here."""

import json

import pytest

from mcqa.errors import RunError
from mcqa.prompting.encoding import Encoder
from mcqa.scoring import ray_job
from mcqa.scoring.cutting import read_file
from mcqa.scoring.parts import Place, predictions_of, questions_of


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


class Killed(BaseException):
    """Stand for the end of a worker, which nobody catches."""


@pytest.fixture
def part_of(tiny_model_folder, tmp_path, tiny_questions, monkeypatch):
    """Give a worker, its part, and a function that has it scored by workers that `dies` ends.

    `dies` is asked whenever questions are encoded, with their ids and the deaths so far.
    """
    rows = [
        {"id": q.id, "question": q.stem, "options": q.options, "label": q.label}
        for q in tiny_questions
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = Place.of(str(tmp_path / "parts"))
    (part,) = read_file(folder, 0, Place.of(str(path)), 64, {})["parts"]
    how = {"model": str(tiny_model_folder), "scorer": "text", "device": "cpu", "batch_size": 4}
    encode = Encoder.encode

    def score(dies, *, skip_invalid=True):
        worker, deaths = ray_job.ScoreParts(folder, skip_invalid, how), []

        def encode_or_die(self, questions):
            if dies({question.id for question in questions}, len(deaths)):
                raise Killed
            return encode(self, questions)

        monkeypatch.setattr(Encoder, "encode", encode_or_die)
        while True:
            try:
                record = worker._score(part)
            except Killed:
                deaths.append(1)
                assert len(deaths) < 20, "tries are not bounded"
                continue
            return record, predictions_of(folder, record), len(deaths)

    return score


def test_a_question_that_kills_where_it_is_encoded_is_left_out(part_of):
    _, whole, _ = part_of(lambda ids, deaths: False)
    record, found, deaths = part_of(lambda ids, deaths: "q17" in ids)
    assert (record["rejected"], deaths) == (1, 5)
    assert [p.id for p in found] == [p.id for p in whole if p.id != "q17"]
    with pytest.raises(RunError, match="question 'q17': its worker died of it, 2 times"):
        part_of(lambda ids, deaths: "q17" in ids, skip_invalid=False)


@pytest.mark.bits
@pytest.mark.parametrize("times", [1, 3])
def test_deaths_by_chance_while_encoding_change_no_bit(part_of, times):
    whole = part_of(lambda ids, deaths: False)[:2]
    assert part_of(lambda ids, deaths: deaths < times) == (*whole, times)
