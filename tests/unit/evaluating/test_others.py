"""Answers of other evaluators, in the shapes in which they write them."""

import io
import json
import struct
import zipfile
from dataclasses import replace

import pyarrow
import pytest

from mcqa.errors import ComparisonError, DataError
from mcqa.evaluating.from_predictions import take_over
from mcqa.evaluating.matching import match
from mcqa.evaluating.others import Answered, answers_name, read_answers
from mcqa.prediction import Prediction, write_predictions
from mcqa.question import Question

STEMS = ("Which is red?", "Which is white?")
OPTIONS = (("blood", "milk", "grass"), ("snow", "coal", "sky"))


@pytest.fixture
def harness(tmp_path):
    """Samples as lm-evaluation-harness 0.4.13 writes them: numbers as texts, a line per filter."""
    rows = []
    for doc_id, scores in ((1, (-1.0, -3.5, -2.0)), (0, (-4.0, -2.5, -6.0))):
        doc = {"question": STEMS[doc_id], "choices": OPTIONS[doc_id], "label": 0}
        arguments = {
            f"gen_args_{n}": {"arg_0": f"Question: {STEMS[doc_id]}\nAnswer:", "arg_1": f" {option}"}
            for n, option in enumerate(OPTIONS[doc_id])
        }
        told = [[str(score), "False"] for score in scores]
        row = {
            "doc_id": doc_id,
            "doc": doc,
            "target": "0",
            "arguments": arguments,
            "resps": [[answer] for answer in told],
            "filtered_resps": told,
            "filter": "none",
            "metrics": ["acc"],
            "acc": float(scores[0] == max(scores)),
            "doc_hash": "0" * 64,
        }
        rows += [row, row | {"filter": "other", "filtered_resps": told[::-1]}]
    path = tmp_path / "samples_task_2026.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def inspect_samples():
    """Samples of inspect_ai: the options in another order, ids that are row numbers."""
    return [
        {
            "id": number + 1,
            "epoch": epoch,
            "input": STEMS[number] if number else [{"role": "user", "content": STEMS[number]}],
            "choices": list(OPTIONS[number][::-1]),
            "target": "C",
            "scores": {"choice": {"value": "I", "answer": answer, "explanation": "ANSWER: A"}},
            "error_retries": [],
        }
        for epoch in (1, 2)
        for number, answer in ((0, "B" if epoch == 1 else "A"), (1, "C"))
    ] + [
        {
            "id": 3,
            "epoch": 1,
            "input": "Which is stopped?",
            "choices": list(OPTIONS[0]),
            "target": "A",
            "scores": {},
            "error": {"message": "ConnectionError()"},
        }
    ]


@pytest.fixture(params=["json", "deflated", "zstandard"])
def inspect(request, tmp_path):
    if request.param == "json":
        path = tmp_path / "log.json"
        path.write_text(json.dumps({"version": 2, "samples": inspect_samples()}))
        return path
    path = tmp_path / "log.eval"
    files = {"_journal/start.json": "{}", "header.json": "{}"}
    for sample in inspect_samples():
        name = f"samples/{sample['id']}_epoch_{sample['epoch']}.json"
        files[name] = json.dumps(sample)
    if request.param == "zstandard":  # as inspect_ai 0.3.285 writes it
        path.write_bytes(zstandard_archive(files))
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def zstandard_archive(files):
    """Return a ZIP archive that zipfile of Python 3.11 cannot write: stored frames, renamed."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in files.items():
            frame = pyarrow.compress(text.encode(), codec="zstd", asbytes=True)
            archive.writestr(name, frame)
        infos, directory = archive.infolist(), archive.start_dir
    raw = bytearray(held.getvalue())
    for info in infos:
        size = struct.pack("<I", len(files[info.filename]))
        struct.pack_into("<H", raw, info.header_offset + 8, 93)
        raw[info.header_offset + 22 : info.header_offset + 26] = size
        struct.pack_into("<H", raw, directory + 10, 93)
        raw[directory + 24 : directory + 28] = size
        directory += 46 + len(info.filename) + len(info.extra) + len(info.comment)
    return bytes(raw)


def test_samples_of_the_harness_are_log_likelihoods(harness):
    answered = read_answers(harness)
    first, second = answered.predictions
    assert (first.scores, first.choice, first.label) == ((-4.0, -2.5, -6.0), 1, 0)
    assert (second.scores, second.choice, second.label) == ((-1.0, -3.5, -2.0), 0, 0)
    assert sum(first.probabilities) == pytest.approx(1)
    assert answered.questions[first.id].stem == STEMS[0]


def test_documents_of_the_shape_that_tasks_have(tmp_path):
    """As the harness wrote them for CommonsenseQA's own files, with options of one's own."""
    options = [
        {"label": letter, "text": text} for letter, text in zip("ABC", OPTIONS[0], strict=True)
    ]
    doc = {
        "answerKey": "B",
        "id": "1afa02",
        "question": {"question_concept": "red", "choices": options, "stem": STEMS[0]},
    }
    answers = [["-16.630592346191406", "False"], ["-6.71", "True"], ["-20.77", "False"]]
    row = {"doc_id": 0, "doc": doc, "target": "1", "filtered_resps": answers, "filter": "none"}
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps(row | {"acc": 1.0}) + "\n")
    (answer,), questions = read_answers(path)[:2]
    assert (answer.id, answer.label, answer.choice) == ("1afa02", 1, 1)
    assert answer.scores[0] == -16.630592346191406
    assert questions["1afa02"].options == OPTIONS[0]
    path.write_text(json.dumps(row | {"acc": 0.0}) + "\n")
    with pytest.raises(DataError, match="doc_id 0 acc is 0, but option 1 is chosen and 1 is read"):
        read_answers(path)


def test_logs_of_inspect_are_letters_of_the_first_epoch(inspect):
    answered = read_answers(inspect)
    assert [(p.choice, p.label, p.scores) for p in answered.predictions] == [
        (1, 2, None),
        (2, 2, None),
    ]
    assert [q.stem for q in answered.questions.values()] == list(STEMS)


def test_runs_are_matched_by_what_was_asked_and_their_options_put_in_order(harness, inspect):
    runs = {"harness": read_answers(harness), "inspect": read_answers(inspect)}
    matched, remarks = match(runs)
    a, b = matched["harness"], matched["inspect"]
    assert [p.id for p in a] == [p.id for p in b]
    # options were reversed: the second of three stays, the last is the first
    assert [(p.choice, p.label) for p in b] == [(1, 0), (0, 0)]
    assert [(p.choice, p.label) for p in a] == [(1, 0), (0, 0)]
    assert remarks == []


def test_options_that_read_alike_and_sets_find_their_places():
    asked = Question(id="q", stem="Which?", options=("milk", "Milk.", "tea"), kind="several")
    own = replace(asked, id="x", options=("tea", "Milk.", "milk"))
    answer = Prediction(
        id="x",
        label=(0, 2),
        choice=(1,),
        scores=(3.0, 2.0, 1.0),
        probabilities=(0.9, 0.8, 0.7),
        unit="logit",
        scorer="head",
        tokens=1,
        kind="several",
        targets=(1.0, 0.0, 0.5),
    )
    matched, remarks = match({"run": Answered([answer], {"x": own})}, [asked])
    (moved,) = matched["run"]
    assert (moved.id, moved.label, moved.choice) == ("q", (0, 2), (1,))
    assert (moved.scores, moved.targets) == ((1.0, 2.0, 3.0), (0.5, 0.0, 1.0))
    assert remarks == []


@pytest.mark.parametrize("ids", ["abc", "xyz"])
def test_duplicates_each_keep_an_answer(questions, answer, ids):
    """The first and last are the same question; by their ids, or in order where ids are others."""
    asked = [replace(questions[place], id=id) for id, place in zip("abc", (0, 1, 0), strict=True)]
    given = {id: replace(q, id=id) for id, q in zip(ids, asked, strict=True)}
    told = [
        replace(p, id=id) for p, id in zip(answer("101" + "1" * 9), reversed(ids), strict=False)
    ]
    matched, remarks = match({"run": Answered(told, given)}, asked)
    assert [p.id for p in matched["run"]] == ["a", "b", "c"]
    assert remarks == []


def test_the_same_id_of_another_question_is_no_match(harness, inspect):
    samples = read_answers(inspect)
    other = replace(samples.questions["1"], stem="Which is green?")
    runs = {
        "harness": read_answers(harness),
        "inspect": samples._replace(questions=samples.questions | {"1": other}),
    }
    matched, remarks = match(runs)
    assert len(matched["harness"]) == 1
    assert remarks[0] == "inspect: 1 of its 2 answers match none ('1')."
    assert remarks[1].startswith("1 of 2 questions are not answered by all (")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("out/samples_arc_easy_2026-11-24T18-26-05.853114.jsonl", "arc_easy"),
        ("2026-11-24T18-10-06-00-00_arc-easy_PQ8uS5HG7EaAWcAeW3EPc2.eval", "arc-easy"),
        ("2026-11-24T18-10-06+00-00_arc_PQ8uS5HG7EaAWcAeW3EPc2.json", "arc"),
        ("theirs.csv", "theirs"),
    ],
)
def test_names_are_without_dates_and_ids(file, name):
    assert answers_name(file) == name


def test_a_csv_file_is_matched_by_id(tmp_path, questions, answer):
    ours = write_predictions(tmp_path / "predictions.jsonl", answer("1" * 12))
    rows = [
        "id,choice,probabilities",
        "q0,B,",
        "q1,2,",
        "q2,,0.9 0.1",
        "q3,,[0; 0.25; 0.75]",
        "q4,,",
        "x,A,",
    ]
    path = tmp_path / "theirs.csv"
    path.write_text("\n".join(rows) + "\n")
    runs = {"ours": read_answers(ours), "theirs": read_answers(path)}
    matched, remarks = match(runs, questions)
    theirs = matched["theirs"]
    assert [p.id for p in theirs] == ["q0", "q1", "q2", "q3", "q4"]
    assert [p.choice for p in theirs] == [1, 2, 0, 2, None]
    assert [p.label for p in theirs] == [0] * 5
    assert theirs[2].probabilities == pytest.approx((0.9, 0.1))
    assert theirs[3].probabilities == pytest.approx((0, 0.25, 0.75))
    assert theirs[0].probabilities is None
    assert remarks == [
        "theirs: 1 of its 6 answers match none ('x').",
        "7 of 12 questions are not answered by all ('q5', 'q6', 'q7', 'q8', 'q9', …).",
    ]


def test_a_sample_that_would_fill_the_memory_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("mcqa.evaluating.others.LONGEST", 9)
    (path := tmp_path / "log.eval").write_bytes(zstandard_archive({"samples/1.json": "{" * 10}))
    with pytest.raises(DataError, match="longer than 9 bytes"):
        read_answers(path)


def test_runs_without_a_common_question_are_refused(tmp_path, questions):
    (tmp_path / "a.csv").write_text("id,choice\nx,A\n")
    runs = {"a": read_answers(tmp_path / "a.csv")}
    with pytest.raises(ComparisonError, match="no question is answered by all of a"):
        match(runs, questions)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", "number,choice\n1,A\n"), ("a.csv", "id,choice\n"), ("a.json", "{}"), ("a.eval", "")],
)
def test_other_files_are_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="cannot be read as answers"):
        read_answers(tmp_path / name)


def test_an_evaluation_is_taken_over_without_scoring(evaluated, questions, tmp_path):
    from mcqa.evaluating.folder import Record, write_record

    write_record(tmp_path, Record("A title", {}, evaluated(), questions))
    (tmp_path / "theirs.csv").write_text("id,choice\n" + "".join(f"q{n},A\n" for n in range(10)))
    said, paths = [], [str(tmp_path), str(tmp_path / "theirs.csv")]
    taken, kept = take_over(paths, questions, announce=said.append)
    assert [run.name for run in taken] == ["first", "second", "theirs"]
    assert [question.id for question in kept] == [f"q{n}" for n in range(10)]
    assert said == ["2 of 12 questions are not answered by all ('q10', 'q11')."]
    first = taken[0].over(kept[:9]).write(tmp_path / "new")
    assert (first.metrics["n"], first.metrics["seconds"]) == (9, 4.0)
    assert first.cost["trainable_parameters"] == 8
    theirs = taken[2].write(tmp_path / "other")
    assert (theirs.scorer, theirs.cost, theirs.metrics["accuracy"]) == ("csv", None, 1.0)
    assert (tmp_path / "other" / "predictions.jsonl").is_file()
    assert take_over([], questions, announce=said.append) == ([], questions)
