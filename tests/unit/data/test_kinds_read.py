"""How rows of every kind are read, what they may say for an answer, and what contradicts itself."""

import json

import pytest

from mcqa.data import load_questions, open_questions
from mcqa.errors import DataError
from mcqa.kinds import KINDS

ROW = {"question": "Which?", "options": ["red", "green", "blue"]}
SEVERAL = ROW | {"kind": "several"}
STATE = {
    "state": {"order": 7, "items": ["pen", "ink"]},
    "questions": {
        "refund": {"type": "noul", "instructions": "A refund?"},
        "urgency": {
            "type": "choice",
            "instructions": "How urgent?",
            "criteria": {"low": "can wait", "high": None},
        },
        "mood": {"type": "score", "criteria": ["calm", "annoyed", "angry"]},
        "topics": {"type": "several", "criteria": {"price": None, "pen": None, "ink": None}},
    },
}


@pytest.fixture
def read(tmp_path):
    """Return the questions of rows that are written as JSON lines."""

    def read(*rows, **settings):
        path = tmp_path / "set.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        return load_questions(path, **settings)

    return read


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("A, C", (0, 2)),
        ("B", (1,)),
        (["A", "c"], (0, 2)),
        (["red", "blue"], (0, 2)),
        ([0, 2], (0, 2)),
        ([True, False, True], (0, 2)),
        ([False, False, False], ()),
        ([], ()),
        ('["A", "C"]', (0, 2)),
        (1, (1,)),
        (None, None),
    ],
)
def test_labels_of_several(read, label, found):
    [question] = read(SEVERAL | {"label": label})
    assert (question.kind, question.label) == ("several", found)


def test_several_right_answers_need_a_kind_that_has_them(read):
    [question] = read(ROW | {"label": [0, 2]})
    assert (question.kind, question.label) == ("choice", None)
    for kind in ("choice", "scale"):
        with pytest.raises(DataError, match=f"of kind '{kind}' has one right answer, .* names 2"):
            read(ROW | {"kind": kind, "label": [0, 2]})
    for row, key in (
        ({"question": "?", "choices": {"label": ["A", "B"], "text": ["x", "y"]}}, "answerKey"),
        ({"question": "?", "options": {"A": "x", "B": "y"}}, "answer_idx"),
    ):
        [question] = read(row | {key: "A B", "kind": "several"})
        assert (question.kind, question.label) == ("several", (0, 1))


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"label": True}, 0),
        ({"answer": "no"}, 1),
        ({"label": "False"}, 1),
        ({"label": None}, None),
        ({"label": 0, "options": ["Yes", "No"]}, 0),
        ({"label": True, "options": ["It is", "It is not"]}, 0),
    ],
)
def test_yes_or_no(read, fields, label):
    [question] = read({"question": "Is it?", "kind": "yes_no"} | fields)
    assert (question.kind, question.label) == ("yes_no", label)
    assert question.options == tuple(fields.get("options", KINDS["yes_no"].options))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "yes_no", "question": "?", "label": 1}, "label 1 can mean yes or no, or be an"),
        (
            {"kind": "yes_no", "question": "?", "label": 0, "options": ["no", "yes"]},
            "the option that says yes first, but the options are",
        ),
        (ROW | {"kind": "yes_no", "label": "red"}, "3 options; a question has 2"),
        (ROW | {"kind": "ranking", "label": 0}, "'kind' is 'ranking'; it must be choice, yes_no"),
        (ROW | {"targets": [0.5, 0.5]}, "there must be a number from 0 to 1 for each of the 3"),
        (ROW | {"targets": {"pink": 1}}, "'targets' has 'pink', which is no option"),
        (ROW | {"targets": "often"}, "'targets' must be a number for each option, got 'often'"),
        (SEVERAL | {"label": [True, False]}, "label"),
    ],
)
def test_rows_that_contradict_their_kind(read, row, message):
    with pytest.raises(DataError, match=f"line 1: .*{message}"):
        read(row)


def test_soft_labels_names_and_contexts_of_generic_rows(read):
    soft = {"targets": [0.2, 0.3, 0.5], "names": ["r", "g", "b"], "state_id": "s"}
    by_name = {"targets": {"b": 1}, "names": ["r", "g", "b"], "state": {"a": [1]}, "label": None}
    first, second = read(ROW | soft, ROW | by_name, unlabelled="error")
    assert (first.label, first.targets, first.names) == (2, (0.2, 0.3, 0.5), ("r", "g", "b"))
    assert (first.state_id, second.targets, second.context) == ("s", (0, 0, 1), "a:\n- 1")


def test_many_options_have_marks_beyond_z(read):
    options = [f"option {n}" for n in range(60)]
    [question] = read(ROW | {"options": options, "label": "AB"})
    assert question.label == 27


# Published formats


def test_frenchmedmcqa_has_sets_of_right_answers(read):
    row = {"question": "Cocher:", **{f"answer_{letter}": letter * 2 for letter in "abcde"}}
    raw = {"question": "Cocher:", "answers": {letter: letter * 2 for letter in "abcde"}}
    found = read(
        row | {"correct_answers": ["a", "c"], "subject_name": "pharmacie"},
        row | {"correct_answers": [0, 2]},
        row | {"correct_answers": "b"},
        raw | {"correct_answers": ["a", "e"]},
        row | {"correct_answers": []},
    )
    assert [question.label for question in found] == [(0, 2), (0, 2), (1,), (0, 4), None]
    assert {question.kind for question in found} == {"several"}
    assert (found[0].subject, found[3].options) == ("pharmacie", ("aa", "bb", "cc", "dd", "ee"))
    with pytest.raises(DataError, match=r"'correct_answers' is .* label of no choice"):
        read(row | {"correct_answers": ["a", "x"]})


def test_mmlu_pro(read):
    row = {"question_id": 70, "question": "Which?", "options": list("0123456789"), "answer": "J"}
    row |= {"answer_index": 9, "category": "law", "cot_content": "Since."}
    [question] = read(row)
    assert (question.id, question.label, question.subject) == ("70", 9, "law")
    assert (len(question.options), question.explanation) == (10, "Since.")
    with pytest.raises(DataError, match="'answer_index' means '8', but 'answer' is 'J'"):
        read(row | {"answer_index": 8})


def test_boolq(read):
    row = {"question": "is it", "passage": "It is.", "title": "It"}
    found = read(*(row | {"answer": answer} for answer in (True, False, None)))
    assert [question.label for question in found] == [0, 1, None]
    assert (found[0].kind, found[0].context) == ("yes_no", "It is.")
    found = read(*(row | {"label": label, "idx": label} for label in (1, 0, -1)))
    assert [(question.id, question.label) for question in found] == [
        ("1", 0),
        ("0", 1),
        ("-1", None),
    ]
    with pytest.raises(DataError, match="'answer' is 'maybe'; expected true, false or null"):
        read(row | {"answer": "maybe"})


# Several questions on one state


def test_questions_on_one_state(read):
    gold = {"refund": True, "urgency": "high", "mood": 2, "topics": ["ink", "pen"]}
    found = read(STATE | {"gold": gold}, STATE | {"id": "x", "expected": {"mood": "calm"}})
    kinds = ["yes_no", "choice", "scale", "several"]
    assert [question.kind for question in found] == kinds * 2
    assert [question.label for question in found] == [0, 1, 2, (1, 2), None, None, 0, None]
    assert [question.state_id for question in found] == ["set-1"] * 4 + ["x"] * 4
    assert (found[0].id, found[7].id) == ("set-1/refund", "x/topics")
    assert found[0].context == "order: 7\nitems:\n- pen\n- ink"
    assert (found[1].options, found[1].names) == (("low: can wait", "high"), ("low", "high"))
    assert (found[2].stem, found[2].options) == (
        "Which of these levels is it?",
        ("calm", "annoyed", "angry"),
    )


def test_soft_labels_of_a_state_are_given_or_a_server_s_answers(read):
    answers = {
        "refund": {"type": "noul", "noul": 0.75},
        "urgency": {"type": "choice", "choice": "low", "probabilities": {"low": 0.6, "high": 0.41}},
        "mood": {"0": 0.5, "2": 0.5},
        "topics": {"price": 0.9, "pen": 0.8, "ink": 0},
    }
    found = read(STATE | {"answers": answers})
    assert found[0].targets == (0.75, 0.25)
    assert found[1].targets == pytest.approx((0.6 / 1.01, 0.41 / 1.01))
    assert [question.targets for question in found[2:]] == [(0.5, 0, 0.5), (0.9, 0.8, 0)]
    # the likeliest, none where two are; of several all above 0.5
    assert [question.label for question in found] == [0, 0, None, (0, 1)]
    both = {"gold": {"refund": "yes"}, "targets": {"refund": 0.75, "mood": [0.2, 0.3, 0.5]}}
    found = read(STATE | both)
    assert (found[0].label, found[0].targets) == (0, (0.75, 0.25))
    assert (found[2].label, found[2].targets) == (2, (0.2, 0.3, 0.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gold": {"mode": 1}}, "'gold' answers 'mode', which is not asked; there are refund, urg"),
        ({"gold": {"urgency": "soon"}}, "question 'urgency': 'gold' is 'soon', which is the label"),
        ({"gold": {"mood": [0, 1]}}, "question 'mood': a question of kind 'scale' has one right"),
        ({"gold": {}, "answers": {}}, "the fields 'gold' and 'answers' mean the same"),
        ({"questions": []}, "'questions' must be an object of questions"),
        ({"questions": {"q": {"type": "box"}}}, "'q' must be an object whose 'type' is choice, no"),
        ({"questions": {"q": {"type": "choice"}}}, "question 'q': 'criteria' must be an object"),
        ({"questions": {"q": {"type": "score", "criteria": {}}}}, "'criteria' must be a list of"),
        ({"state": None}, "'state' is None"),
    ],
)
def test_requests_that_cannot_be_read(read, change, message):
    with pytest.raises(DataError, match=f"line 1: .*{message}"):
        read(STATE | change)


# Several sources


def test_a_folder_or_a_pattern_is_read_as_one(tmp_path):
    folder = tmp_path / "test"
    folder.mkdir()
    for subject, letter in (("anatomy", "A"), ("law", "D")):
        (folder / f"{subject}_test.csv").write_text(f"Which?,w,x,y,z,{letter}\n" * 2)
    (folder / "README.md").write_text("no questions")
    for source in (folder, str(folder / "*.csv"), sorted(folder.glob("*.csv"))):
        reader = open_questions(source)
        found = reader.read_all()
        assert (reader.format, [question.label for question in found]) == ("mmlu", [0, 0, 3, 3])
        assert [question.subject for question in found] == ["anatomy"] * 2 + ["law"] * 2
        assert len({question.id for question in found}) == 4
    assert len(load_questions(folder, limit=3)) == 3
    with pytest.raises(DataError, match=r"\*\.json: no file has such a name"):
        load_questions(folder / "*.json")


def test_files_of_different_kinds_and_equal_ids_are_read_as_one(tmp_path):
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text(json.dumps(ROW | {"id": "1", "label": [0, 1], "subject": "own"}))
    second.write_text(json.dumps(STATE | {"id": "1"}) + "\n" + json.dumps(STATE | {"id": "2"}))
    reader = open_questions([first, second, "bundled-scale"], limit=10)
    found = reader.read_all()
    assert reader.format == "generic, systemone"
    assert [question.kind for question in found][-2:] == ["several", "scale"]
    assert [question.subject for question in found][:2] == ["own", "b"]
    assert (found[1].id, found[1].state_id) == ("1/refund", "1")
    assert (reader.account.several, reader.account.hidden) == (1, 8)
    second.write_text(json.dumps(ROW | {"id": "1", "label": 0, "state_id": "s"}))
    found = load_questions([first, second])
    assert [question.id for question in found] == ["a:1", "b:1"]
    assert found[1].state_id == "b:s"


def test_shards_of_one_set_are_no_subjects(tmp_path):
    for number in range(2):
        path = tmp_path / f"train-0000{number}-of-00002.jsonl"
        path.write_text(json.dumps(ROW | {"label": 0}))
    assert {question.subject for question in load_questions(tmp_path)} == {None}


@pytest.mark.parametrize(
    ("source", "kind"), [("bundled-several", "several"), ("bundled-scale", "scale")]
)
def test_bundled_questions_of_other_kinds(source, kind):
    from mcqa.data.bundled import bundled_questions

    assert load_questions(source, split="validation") == bundled_questions("validation", kind)
