import csv
import io
from dataclasses import replace

import pytest

from mcqa.errors import ConfigError
from mcqa.evaluating.analysis import compare_runs, describe, one_sided, per_question
from mcqa.evaluation.metrics import summarize, wilson_interval
from mcqa.evaluation.pairing import align


@pytest.fixture
def runs(answer):
    return {"first": answer("111111110000"), "second": answer("111111001100")}


def table(runs, questions):
    by_id = {question.id: question for question in questions}
    return list(csv.reader(io.StringIO(per_question(runs, by_id), newline="")))


def test_metrics_keep_the_summary_and_add_to_it(answer, questions):
    predictions = answer("111111110000")
    metrics = describe(predictions, questions, 4.0)
    summary = summarize(predictions, 4.0)
    assert {key: metrics[key] for key in summary} == summary
    assert list(metrics)[: len(summary)] == list(summary)
    assert metrics["metrics"]["accuracy"]["value"] == 8 / 12
    assert metrics["metrics"]["top2"]["value"] == 1
    assert metrics["positions"]["positions"][0]["recall"] == 8 / 12
    assert metrics["bootstrap"]["resamples"] == 1000


def test_groups_hold_their_own_n_and_interval(answer, questions):
    metrics = describe(answer("111111110000"), questions, None)
    # Art: q0, q2; Law: q4, q6, q8, q10, the first two of them right
    law = metrics["per_subject"]["Law"]["metrics"]["accuracy"]
    assert (law["value"], law["n"]) == (0.5, 4)
    assert law["ci95"] == list(wilson_interval(2, 4))
    assert {name: group["n"] for name, group in metrics["per_subject"].items()} == {
        "Art": 2,
        "Law": 4,
    }
    assert {name: group["n"] for name, group in metrics["per_option_count"].items()} == {
        "2": 6,
        "3": 6,
    }


def test_without_questions_there_are_no_groups_and_without_labels_no_metrics(answer, questions):
    assert "per_subject" not in describe(answer("1" * 12), [], None)
    unlabelled = [replace(prediction, label=None) for prediction in answer("1" * 12)]
    assert describe(unlabelled, questions, None) == summarize(unlabelled)


def test_a_pair_is_described_in_every_metric(runs):
    (comparison,) = compare_runs(align(runs))
    paired = comparison["paired"]
    assert paired["table"] == {"both": 6, "a_only": 2, "b_only": 2, "neither": 2}
    assert paired["metrics"]["nll"]["difference"] == pytest.approx(0)
    assert paired["metrics"]["accuracy"]["ci95"] == comparison["difference_ci95"]
    assert paired["metrics"]["accuracy"]["p_value"] == 1
    assert comparison["together"]["either"]["value"] == 10 / 12
    # where just one is right, it is the surer one: 2 against 1
    assert comparison["together"]["average"]["value"] == 10 / 12
    assert "joint" not in comparison


def test_of_three_runs_each_comparison_has_the_joint_test(runs, answer):
    comparisons = compare_runs(align({**runs, "third": answer("0" * 12)}))
    assert len(comparisons) == 3
    assert comparisons[0]["joint"]["runs"] == ["first", "second", "third"]
    assert comparisons[0]["joint"]["degrees_of_freedom"] == 2
    assert all(c["joint"] == comparisons[0]["joint"] for c in comparisons)


def test_groups_take_the_place_of_mcnemar_in_the_table_too(runs):
    clusters = {f"q{number}": number // 4 for number in range(12)}
    (comparison,) = compare_runs(align(runs), clusters=clusters)
    accuracy = comparison["paired"]["metrics"]["accuracy"]
    assert accuracy["p_value"] == comparison["clusters"]["p_value"]
    assert comparison["paired"]["clusters"] == 3


def test_a_question_without_a_group_is_named(runs):
    with pytest.raises(ConfigError, match="question 'q1' has no group"):
        compare_runs(align(runs), clusters={"q0": 1})


def test_generated_answers_have_no_average(runs, generated):
    runs["second"] = generated("1" * 11 + "?")
    (comparison,) = compare_runs(align(runs))
    assert comparison["together"]["average"] is None
    assert comparison["paired"]["metrics"]["nll"]["difference"] is None


def test_the_questions_that_one_run_gets_right_are_shown_with_the_others_answer(
    runs, generated, questions
):
    by_id = {question.id: question for question in questions}
    a, b, unread = align({**runs, "unread": generated("?" * 12)}).values()
    sides = one_sided(a, b, by_id)
    assert [example["id"] for example in sides["a_only"]] == ["q6", "q7"]
    assert [example["id"] for example in sides["b_only"]] == ["q8", "q9"]
    assert sides["a_only"][0] == {
        "id": "q6",
        "context": "Context.",
        "stem": "Stem 6?",
        "answer": "yes",
        "chosen": "no",
    }
    unparsed = one_sided(a, unread, by_id)["a_only"]
    assert [example["chosen"] for example in unparsed] == [None] * 8


def test_a_row_per_question_tells_what_each_run_did(runs, generated, questions):
    header, first, *_, last = table({"a": runs["first"], "b": generated("1" * 11 + "?")}, questions)
    assert header[:7] == [
        "id",
        "subject",
        "label",
        "a choice",
        "a correct",
        "a gold probability",
        "a parsed",
    ]
    # 1 / (1 + exp(-2)) = 0.880797
    assert first == ["q0", "Art", "0", "0", "1", "0.880797", "", "0", "1", "", "letter"]
    assert last[7:] == ["", "0", "", "unparsed"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_is_guarded(runs, questions, start):
    evil = f"{start}cmd|' /C calc'!A0"
    questions[0] = replace(questions[0], subject=evil)
    rows = table({evil: runs["first"]}, questions)
    assert rows[0][3] == f"'{evil} choice"
    assert rows[1][1] == f"'{evil}"
    assert rows[1][0] == "q0"


def test_runs_in_another_order_meet_in_their_rows(runs, questions):
    backwards = {"a": runs["first"], "b": runs["second"][::-1]}
    straight = {"a": runs["first"], "b": runs["second"]}
    assert table(backwards, questions) == table(straight, questions)
