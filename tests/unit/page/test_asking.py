from dataclasses import replace

import any_kind
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcqa.errors import QuestionError
from mcqa.kinds import KINDS
from mcqa.page.asking import Draft, flip_sentence, flips, orders_of
from mcqa.question import Question
from mcqa.scoring.orders import OrderedAnswer


def parsed(query):
    """Return a query as a browser hands it over: lists of texts."""
    return {name: [part] if isinstance(part, str) else part for name, part in query.items()}


# Options that are the same text cannot be told apart in a link, nor by who reads them.
different = any_kind.questions_of_any_kind().filter(lambda q: len(set(q.options)) == len(q.options))


@given(question=different)
def test_a_link_holds_the_question_and_what_is_right(question):
    draft = Draft.from_query(parsed(Draft.of(question, "cloze").query()))
    assert draft == Draft.of(question, "cloze")
    asked = draft.question()
    assert (asked.stem, asked.options) == (question.stem, question.options)
    assert (asked.kind, asked.label) == (question.kind, question.label)


def test_a_right_answer_that_was_changed_is_not_known_any_more():
    several = Draft("Which are even?", ("1", "2", "4"), kind="several", right=("2", "4"))
    assert several.question().label == (1, 2)
    assert replace(several, options=("4", "2", "1")).question().label == (0, 1)
    assert replace(several, options=("1", "2", "5")).question().label is None
    assert replace(several, right=()).question().label == ()
    assert several.as_kind("choice").question().label is None  # two cannot be right


@given(draft=different.map(Draft.of), kind=st.sampled_from(list(KINDS)))
def test_a_draft_of_another_kind_is_a_question(draft, kind):
    turned = draft.as_kind(kind)
    assert turned.question().kind == kind
    assert (turned.options == draft.options) or turned.options == KINDS[kind].options


def test_a_link_of_no_such_kind_is_a_choice():
    draft = Draft.from_query({"q": ["Which?"], "option": ["a", "b"], "kind": ["riddle"]})
    assert draft.kind == "choice"
    assert Draft.from_query({"q": ["Is it?"], "kind": ["yes_no"]}).options == ("Yes", "No")
    assert Draft.from_query({"option": ["a", "b"]}) is None
    with pytest.raises(QuestionError):
        Draft.from_query({"q": ["Which?"]}).question()


def test_orders_that_flip_are_counted():
    orders = [(0, 1), (1, 0)]
    answers = [OrderedAnswer("q", order, None, order[0]) for order in orders]
    assert flips(answers) == 1
    assert flip_sentence(answers).startswith("1 of 1 other orders")


def test_the_levels_of_a_scale_stay_in_order():
    scale = Question(stem="How hot?", options=("cold", "warm", "hot"), kind="scale")
    assert orders_of(scale).orders == [[(0, 1, 2)]]
    said = flip_sentence([OrderedAnswer("q", (0, 1, 2), None, 0)])
    assert said == "The options are levels, which have no other order: nothing is shuffled."
