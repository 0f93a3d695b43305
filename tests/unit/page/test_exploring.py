import csv
import io
from dataclasses import replace

import mixed_answers
import pytest
from mixed_answers import mixed_questions

from mcqa.evaluating.folder import Record, read_record, write_record
from mcqa.page.exploring import Filter, Table, choose, options_of, step


@pytest.fixture
def table(evaluated, questions):
    return Table(Record("Title", {}, evaluated(), questions))


def ids(table, **wanted):
    return [table.ids[place] for place in table.find(Filter("first", "second", **wanted))]


IN_ORDER = {"sort": "order of the file"}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("all", [f"q{number}" for number in range(12)]),
        ("only A", ["q6", "q7"]),
        ("only B", ["q8", "q9"]),
        ("both", [f"q{number}" for number in range(6)]),
        ("neither", ["q10", "q11"]),
    ],
)
def test_questions_are_found_by_who_is_right(table, outcome, expected):
    assert ids(table, outcome=outcome, **IN_ORDER) == expected


def test_questions_are_found_by_subject_and_text(table):
    assert ids(table, subjects=("Art",), **IN_ORDER) == ["q0", "q2"]
    assert ids(table, text="CONTEXT", **IN_ORDER) == ["q6"]
    assert ids(table, text="maybe", outcome="only A", **IN_ORDER) == ["q7"]
    assert ids(table, text="no such text") == []


def test_the_most_different_answers_come_first_and_equal_ones_in_order(table):
    found = ids(table)
    assert set(found[:4]) == {"q6", "q7", "q8", "q9"}
    assert found[4:] == ["q0", "q1", "q2", "q3", "q4", "q5", "q10", "q11"]
    (apart,) = {round(float(x), 6) for x in table.disagreement("first", "second")[[6, 8]]}
    assert apart == pytest.approx(0.880797 - 0.268941, abs=1e-5)  # softmax of 2, 0 and of 0, 1


def test_sure_and_wrong_is_wrong_at_ninety_percent(evaluated, answer, questions):
    from mcqa.prediction import Prediction

    surely = [
        Prediction.scored(
            q, [0.0, 5.0] + [-5.0] * (len(q.options) - 2), unit="logit", scorer="head", tokens=3
        )
        for q in questions
    ]
    table = Table(Record("", {}, evaluated({"a": answer("0" * 12), "b": surely}), questions))
    wanted = Filter("a", "a", marks=("sure and wrong",))
    assert len(table.find(wanted)) == 0  # sure by 73% only
    assert len(table.find(Filter("a", "b", marks=("sure and wrong",)))) == 12


def test_generated_answers_disagree_wholly_or_not(evaluated, generated, questions):
    answers = {"a": generated("1" * 12), "b": generated("?" + "1" * 11)}
    table = Table(Record("", {}, evaluated(answers), questions))
    assert table.disagreement("a", "b").tolist() == [1.0] + [0.0] * 11
    assert len(table.find(Filter("a", "b", sort="confidence of A"))) == 12


def test_the_selection_as_csv_has_the_chosen_questions_of_two_runs(table):
    places = table.find(Filter("first", "second", outcome="only B", **IN_ORDER))
    head, *rows = csv.reader(io.StringIO(table.csv(places, ["first", "second"])))
    assert head[:5] == ["id", "subject", "label", "first choice", "first correct"]
    assert [row[0] for row in rows] == ["q8", "q9"]
    assert table.csv([], ["first"]) == ""


def test_without_texts_ids_and_letters_stand_in(evaluated, questions, tmp_path):
    write_record(tmp_path, Record("Title", {}, evaluated(), questions))
    (tmp_path / "questions.jsonl").unlink()
    table = Table(read_record(tmp_path))
    assert ids(table, text="q11") == ["q11"]
    assert table.lines([0], "first", "second") == ["q0 (A right, B right)"]
    answers = {"first": table.runs["first"].predictions[1]}
    assert options_of(None, answers) == ["(text not known)"] * 3


def test_a_run_of_itself_is_compared_with_itself(evaluated, answer, questions):
    record = Record("", {}, evaluated({"only": answer("1" * 12)}), questions)
    assert list(choose(record)) == ["only", "only"]
    table = Table(record)
    assert table.lines([0], "only", "only") == ["Stem 0? (A right)"]
    assert not table.disagreement("only", "only").any()


def test_unlabelled_questions_are_not_what_neither_gets_right(evaluated, answer, questions):
    answers = [replace(p, label=None if p.id == "q0" else p.label) for p in answer("0" * 12)]
    table = Table(Record("", {}, evaluated({"a": answers}), questions))
    assert len(table.find(Filter("a", "a", outcome="neither"))) == 11


def test_kinds_are_told_apart_and_sets_are_right_as_a_whole(evaluated):
    asked = mixed_questions(10)
    runs = {name: mixed_answers.answer(asked, seed=seed) for seed, name in enumerate("ab")}
    table = Table(Record("", {}, evaluated(runs), asked))
    found = table.find(Filter("a", "b", kinds=("several",)))
    assert {table.ids[at] for at in found} == {q.id for q in asked if q.kind == "several"}
    right = table.find(Filter("a", "b", kinds=("several",), outcome="both"))
    exact = {p.id for p, q in zip(*runs.values(), strict=True) if p.label == p.choice == q.choice}
    assert {table.ids[at] for at in right} == {id for id in exact if id.startswith("several")}
    (line,) = table.lines(found[:1], "a", "b")
    assert "(A " in line
    csv_rows = list(csv.DictReader(io.StringIO(table.csv(found, ["a", "b"]))))
    assert {row["kind"] for row in csv_rows} == {"several"}


def test_options_without_texts_reach_the_last_that_is_named():
    several = mixed_answers.answer(mixed_questions(4))[-1]
    written = replace(several, scores=None, choice=(0, 4), label=(1,), kind="several")
    assert len(options_of(None, {"a": written})) == 5


def test_steps_stay_inside():
    assert [step(0, -1, 3), step(0, 1, 3), step(2, 1, 3), step(0, 1, 0)] == [0, 1, 2, 0]
