"""Questions asked in other orders: what is asked, mapped back, kept and refused."""

import json
from dataclasses import replace

import pytest

from mcqa.errors import ConfigError, DataError
from mcqa.evaluation.orders import reorder
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.scoring.orders import (
    Plan,
    describe_run_orders,
    mapped_back,
    read_orders,
    write_orders,
)
from mcqa.scoring.scoring_run import score_orders

ORDER = (2, 0, 1)


class Recorder:
    """Score by a function of the options as shown, and remember what was asked."""

    def __init__(self, scores):
        self.scores, self.asked = scores, []

    def score_many(self, questions, batch_size=16, on_progress=None, kept=None):
        self.asked += questions
        if on_progress:
            on_progress(len(questions))
        return [
            Prediction.scored(q, self.scores(q.options), unit="nats", scorer="text", tokens=1)
            for q in questions
        ]


class Kept(dict):
    """Stand in for the answers that an interrupted pass would have kept: none."""

    def __init__(self, name):
        self.name, self.seconds = name, 0.0


def by_text(options):
    return [float(len(option)) for option in options]


def by_place(options):
    return [-float(place) for place in range(len(options))]


def asked(scores, questions, kind="cyclic"):
    scorer = Recorder(scores)
    predictions = scorer.score_many(questions)
    scorer.asked.clear()
    plan = Plan.of(kind, questions, seed=0)
    return scorer, predictions, score_orders(scorer, questions, predictions, plan, 4, None, Kept)


def describe(predictions, orders, **settings):
    return describe_run_orders(orders, predictions, **{"listed": True, "scorer": "text"} | settings)


def test_scores_and_choice_are_mapped_back_to_the_original_order():
    question = Question(id="q", stem="Which?", options=("a", "bb", "ccc"), label=1, subject="Art")
    shown = reorder(question, ORDER)
    assert (shown.options, shown.label) == (("ccc", "a", "bb"), 2)
    assert replace(shown, options=question.options, label=1) == question
    prediction = Prediction.scored(shown, [1.0, 5.0, 3.0], unit="nats", scorer="text", tokens=1)
    answer = mapped_back(prediction, ORDER)
    assert answer.shown_scores == (1.0, 5.0, 3.0)
    assert answer.scores == (5.0, 3.0, 1.0)
    assert answer.choice == 0


def test_of_equal_scores_the_first_in_the_original_order_is_chosen():
    shown = reorder(Question(id="q", stem="Which?", options=("a", "bb", "ccc")), ORDER)
    tied = Prediction.scored(shown, [2.0, 2.0, 0.0], unit="nats", scorer="text", tokens=1)
    assert tied.choice == 0  # as shown: "ccc"
    assert mapped_back(tied, ORDER).choice == 0  # "a"


def test_several_answers_are_mapped_back_as_a_set():
    question = Question(stem="Which?", options=("a", "bb", "ccc"), label=(0, 2), kind="several")
    shown = reorder(question, ORDER)
    made = Prediction.scored(shown, [1.0, 2.0, -1.0], unit="logit", scorer="head", tokens=1)
    assert made.choice == (0, 1)  # as shown: "ccc" and "a"
    assert mapped_back(made, ORDER).choice == (0, 2)
    assert mapped_back(replace(made, choice=()), ORDER).choice == ()


@pytest.mark.parametrize(("shown", "original"), [(0, 2), (1, 0), (2, 1), (None, None)])
def test_a_choice_without_scores_is_mapped_back_too(generated, shown, original):
    prediction = replace(generated("?" * 12)[0], choice=shown)
    assert mapped_back(prediction, ORDER).choice == original


def test_the_original_order_is_not_asked_again(questions):
    scorer, _, orders = asked(by_text, questions)
    assert len(scorer.asked) == 6 * 1 + 6 * 2  # of two and of three options
    assert all(
        q.options != next(o for o in questions if o.id == q.id).options for q in scorer.asked
    )
    assert [len(answers) for answers in orders.answers] == [2, 3] * 6


def test_who_answers_by_the_text_never_flips_and_who_by_the_place_always_does(questions):
    _, predictions, orders = asked(by_text, questions)
    steady = describe(predictions, orders)
    assert (steady["flips"], steady["n"], steady["answers"]) == (0, 12, 30)
    assert steady["largest_score_change"] == 0
    _, predictions, orders = asked(by_place, questions)
    moved = describe(predictions, orders)
    assert (moved["flips"], moved["consistency"]["value"]) == (
        12,
        pytest.approx((1 / 2 + 1 / 3) / 2),
    )
    assert moved["accuracy"]["value"] == 1
    assert moved["largest_score_change"] == 2


def test_pride_is_for_letters_in_complete_rotations(questions):
    _, predictions, orders = asked(by_place, questions)
    assert "pride" not in describe(predictions, orders)
    assert describe(predictions, orders, scorer="letter")["pride"]["raw"]["value"] == 1
    _, predictions, orders = asked(by_place, questions, kind="2")
    assert "pride" not in describe(predictions, orders, scorer="letter")


def test_without_labels_flips_are_counted_all_the_same(questions):
    unlabelled = [replace(question, label=None) for question in questions]
    _, predictions, orders = asked(by_place, unlabelled)
    described = describe(predictions, orders, scorer="letter")
    assert described["flips"] == 12
    assert not {"accuracy", "averaged_accuracy", "pride"} & described.keys()


@pytest.mark.parametrize("several", [False, True])
def test_orders_are_read_as_they_were_written(questions, tmp_path, several):
    if several:
        questions = [replace(q, label=(q.label,), kind="several") for q in questions]
    _, predictions, orders = asked(by_text, questions, kind="all")
    write_orders(tmp_path, orders)
    assert read_orders(tmp_path, predictions, orders.settings) == orders


@pytest.mark.parametrize("fault", ["gone", "another run's", "a question is missing"])
def test_a_file_about_something_else_is_refused(questions, tmp_path, fault):
    _, predictions, orders = asked(by_text, questions)
    write_orders(tmp_path, orders)
    path = tmp_path / "permutations.jsonl"
    if fault == "gone":
        path.unlink()
    elif fault == "another run's":
        predictions[0] = replace(predictions[0], choice=1 - predictions[0].choice)
    else:
        rows = path.read_text().splitlines(keepends=True)
        path.write_text("".join(row for row in rows if json.loads(row)["id"] != "q3"))
    with pytest.raises(DataError, match=r"permutations\.jsonl.*Evaluate again with --permutations"):
        read_orders(tmp_path, predictions, orders.settings)


def test_a_plan_says_what_it_takes(questions):
    assert str(Plan.of("cyclic", questions, 0)) == "12 questions x 2 to 3 orders = 30"
    assert str(Plan.of("2", questions * 200, 0)) == "2,400 questions x 2 orders = 4,800"
    with pytest.raises(ConfigError, match="from 2 on"):
        Plan.of("1", questions, 0)
