"""Files are cut into parts that come back as they were, or are found out."""

import json

import pytest

from mcqa.errors import DataError
from mcqa.prediction import Prediction, Retrieved
from mcqa.question import Question
from mcqa.scoring import cutting, parts
from mcqa.scoring.parts import Place

PART = {"part": "00000-00000", "sha256": "of the questions"}


@pytest.fixture
def folder(tmp_path):
    return Place.of(str(tmp_path / "parts"))


@pytest.fixture
def file(tmp_path, tiny_questions):
    path = tmp_path / "q.jsonl"
    rows = [(q.id, q.stem, q.options, q.label) for q in tiny_questions]
    keys = ("id", "question", "options", "label")
    path.write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows))
    return Place.of(str(path))


def of_kind(kind, label, targets=None):
    question = Question(
        id=kind, stem="?", options=("a", "b"), kind=kind, label=label, targets=targets
    )
    return Prediction.scored(question, [0.5, -2.0], unit="logit", scorer="head", tokens=1)


PREDICTIONS = [
    Prediction(
        id="a",
        label=1,
        choice=0,
        scores=(0.1 + 0.2, -1e-300),
        probabilities=(0.5, 0.5),
        unit="nats",
        scorer="text",
        tokens=3,
    ),
    Prediction(
        id="b\u2028",
        label=None,
        choice=None,
        scores=None,
        probabilities=None,
        unit=None,
        scorer="generate",
        tokens=4,
        truncated=2,
        text="",
        parsed="unparsed",
        retrieved=(Retrieved("p", 1.5),),
    ),
    of_kind("several", [0]),
    of_kind("several", []),
    of_kind("scale", 1, (0.3, 0.7)),
    of_kind("yes_no", None),
]


def test_predictions_come_back_to_the_last_bit(folder):
    record = parts.write_part(folder, PART, PREDICTIONS)
    assert (record["n"], record["tokens"]) == (6, 11)
    assert record["kinds"] == {
        "choice": {"n": 2, "labelled": 1, "right": 0},
        "yes_no": {"n": 1, "labelled": 0, "right": 0},
        "scale": {"n": 1, "labelled": 1, "right": 0},
        "several": {"n": 2, "labelled": 2, "right": 1},
    }
    assert parts.finished_part(folder, PART) == record
    (folder / parts.MANIFEST).write_json({"parts": [record]})
    assert list(parts.read_parts(folder)) == PREDICTIONS


def test_a_part_that_is_cut_or_of_other_questions_is_not_finished(folder):
    record = parts.write_part(folder, PART, PREDICTIONS)
    assert parts.finished_part(folder, PART | {"sha256": "other"}) is None
    file = folder / "predictions/00000-00000.parquet"
    content = file.read()
    file.write(content[:-1])
    assert parts.finished_part(folder, PART) is None
    (folder / parts.MANIFEST).write_json({"parts": [record]})
    with pytest.raises(DataError, match="part 00000-00000 are gone or changed"):
        list(parts.read_parts(folder))
    file.write(content)
    (folder / "predictions/00000-00000.json").write(b'{"part":')
    assert parts.finished_part(folder, PART) is None


def test_questions_are_cut_in_blocks_and_read_again_only_where_needed(folder, file, tiny_questions):
    record = cutting.read_file(folder, 0, file, 10, {})
    assert [part["n"] for part in record["parts"]] == [10, 10, 10, 6]
    back = [q.id for part in record["parts"] for q in parts.questions_of(folder, part)]
    assert back == [q.id for q in tiny_questions]
    cut = folder / "questions/00000-00002.parquet"
    cut.remove()
    with pytest.raises(DataError, match="part 00000-00002"):
        parts.questions_of(folder, record["parts"][2])
    assert cutting.read_file(folder, 0, file, 10, {}) == record
    assert cut.read() is not None


def test_data_is_a_file_a_folder_or_a_pattern(tmp_path):
    for name in ("b.jsonl", "a.parquet", "c.jsonl.gz", "notes.md"):
        (tmp_path / name).touch()

    def names(data):
        return [file.path.rpartition("/")[2] for file in parts.data_files(data)]

    assert names(str(tmp_path)) == ["a.parquet", "b.jsonl", "c.jsonl.gz"]
    assert names(f"file://{tmp_path}") == ["a.parquet", "b.jsonl", "c.jsonl.gz"]
    assert names(f"{tmp_path}/*.jsonl*") == ["b.jsonl", "c.jsonl.gz"]
    assert names(f"{tmp_path}/notes.md") == ["notes.md"]
    for missing, told in [("no", "no such file"), ("*.csv", "no data file")]:
        with pytest.raises(DataError, match=told):
            names(f"{tmp_path}/{missing}")
    with pytest.raises(DataError, match="not an address"):
        names("nonsense://bucket/q")


def test_a_file_elsewhere_is_read_through_its_file_system(folder, file, tiny_questions):
    """pyarrow's file system of a folder stands for a store: it has no local path."""
    from pyarrow.fs import SubTreeFileSystem

    parent, _, name = file.path.rpartition("/")
    elsewhere = Place(SubTreeFileSystem(parent, file.system), name)
    assert not elsewhere.local
    record = cutting.read_file(folder, 0, elsewhere, 100, {})
    assert [q.id for q in parts.questions_of(folder, record["parts"][0])][:2] == ["q0", "q1"]
    bad = Place(elsewhere.system, "bad.jsonl")
    bad.write(b"{}\n")
    with pytest.raises(DataError, match=r"bad\.jsonl") as error:
        cutting.read_file(folder, 1, bad, 100, {})
    assert "mcqa-" not in str(error.value)


def rows_file(tmp_path, name, rows):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Place.of(str(path))


def test_an_id_that_stands_twice_is_refused_or_rejected_by_its_place(folder, tmp_path):
    row = {"question": "?", "options": ["a", "b"], "label": 0}
    rows = [row | {"id": f"q{number % 7}"} for number in range(9)]
    file = rows_file(tmp_path, "twice.jsonl", rows)
    with pytest.raises(DataError, match=r"line 8: the id 'q0' is already that of line 1\."):
        cutting.read_file(folder, 0, file, 4, {"format": "generic"})
    file = rows_file(tmp_path, "twice.jsonl", [*rows, {"id": "bad"}])
    record = cutting.read_file(folder, 0, file, 4, {"skip_invalid": True, "format": "generic"})
    assert [part["n"] for part in record["parts"]] == [4, 3]
    assert record["rejected"] == 3
    lines = [json.loads(line) for line in (folder / "rejected/00000.jsonl").read().splitlines()]
    assert [line["place"] for line in lines] == ["line 8", "line 9", "line 10"]
    assert {line["source"] for line in lines} == {str(file)}


def test_a_prefix_is_put_before_ids_and_kept(folder, file):
    record = cutting.read_file(folder, 0, file, 30, {}, None, "q")
    assert parts.questions_of(folder, record["parts"][1])[0].id == "q:q30"
    assert cutting.read_file(folder, 0, file, 30, {}) == record
    assert cutting.read_file(folder, 0, file, 30, {}, None, "other")["prefix"] == "other"


def test_questions_of_all_kinds_are_cut_whole_with_their_subject_and_state(folder, tmp_path):
    rows = [
        {"id": "s", "kind": "several", "options": ["a", "b"], "label": [1], "state_id": "x"},
        {"id": "l", "kind": "scale", "options": ["a", "b"], "targets": [0.25, 0.75]},
        {"id": "y", "kind": "yes_no", "label": "yes", "subject": "own"},
    ]
    file = rows_file(tmp_path, "kinds.jsonl", [row | {"question": "?"} for row in rows])
    record = cutting.read_file(folder, 0, file, 4, {"format": "generic"}, "file", "k")
    (part,) = record["parts"]
    assert part["kinds"] == ["scale", "several", "yes_no"]
    several, scale, yes_no = parts.questions_of(folder, part)
    assert (several.label, several.state_id, several.subject) == ((1,), "k:x", "file")
    assert (scale.label, scale.targets, scale.state_id) == (1, (0.25, 0.75), None)
    assert (yes_no.id, yes_no.label, yes_no.subject) == ("k:y", 0, "own")
    again = cutting.read_file(folder, 0, file, 4, {"format": "generic"}, "other", "k")
    assert parts.questions_of(folder, again["parts"][0])[0].subject == "other"


def test_no_id_and_no_row_is_held_while_a_file_is_cut(folder, tmp_path, monkeypatch):
    row = {"question": "?", "options": ["a", "b"], "label": 0}
    good = [row | {"id": f"q{number}"} for number in range(500)]
    mixed = [each for pair in zip(good, [{"id": "bad"}] * 500, strict=True) for each in pair]
    file = rows_file(tmp_path, "many.jsonl", mixed)
    readers, open_questions = [], cutting.open_questions

    def opened(*arguments, **settings):
        readers.append(open_questions(*arguments, **settings))
        return readers[-1]

    class Watched(cutting.Noted):
        seen = 0

        def __setitem__(self, id, place):
            super().__setitem__(id, place)
            Watched.seen += 1
            assert not self
            assert len(readers[0].account.rejected) <= 10  # of a part

    monkeypatch.setattr(cutting, "open_questions", opened)
    monkeypatch.setattr(cutting, "Noted", Watched)
    record = cutting.read_file(folder, 0, file, 10, {"skip_invalid": True, "format": "generic"})
    assert (len(record["parts"]), record["rejected"], Watched.seen) == (50, 500, 500)
