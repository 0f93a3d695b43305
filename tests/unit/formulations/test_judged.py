"""Questions with several right answers, split into yes-or-no questions and joined again."""

import math
from dataclasses import replace

import pytest

from mcqa.formulations.judged import join, split
from mcqa.prediction import Prediction, Retrieved
from mcqa.question import Question

EVEN = Question(id="q", stem="Even?", options=("1", "2", "4"), label=[1, 2], kind="several")
PLAIN = Question(id="p", stem="Odd?", options=("1", "2"), label=0)


def scored(question, scores):
    return Prediction.scored(question, scores, unit="nats", scorer="text", tokens=5)


def test_a_question_with_one_answer_is_asked_as_it_is():
    assert split(PLAIN) == [PLAIN]
    prediction = scored(PLAIN, [1.0, 0.0])
    assert join([PLAIN], [prediction]) == [prediction]


def test_each_option_is_a_yes_or_no_question_of_its_own():
    parts = split(EVEN)
    assert [part.answer for part in parts] == ["No", "Yes", "Yes"]
    assert len({part.id for part in parts}) == 3
    assert {part.state_id for part in parts} == {"q"}
    assert all(option in part.stem for part, option in zip(parts, EVEN.options, strict=True))
    unknown = Question(stem="?", options=("1", "2"), kind="several")
    assert [part.label for part in split(unknown)] == [None, None]


def test_an_options_score_is_that_of_yes_over_no():
    parts = [scored(part, [0.5 * n, 1.0]) for n, part in enumerate(split(EVEN), 1)]
    (joined, plain) = join([EVEN, PLAIN], [*parts, scored(PLAIN, [0.0, 1.0])])
    assert joined.scores == (-0.5, 0.0, 0.5)
    assert joined.probabilities == pytest.approx([1 / (1 + math.exp(-s)) for s in joined.scores])
    assert (joined.choice, joined.correct, joined.tokens) == ((1, 2), True, 15)
    assert (joined.id, joined.kind, plain.choice) == ("q", "several", 1)
    assert join([EVEN], parts, threshold=0.6)[0].choice == (2,)


def test_written_answers_choose_what_was_said_to_be_right():
    said = [
        Prediction(
            id=part.id,
            label=part.label,
            choice=choice,
            scores=None,
            probabilities=None,
            unit=None,
            scorer="generate",
            tokens=4,
            text=text,
            parsed="text" if choice is not None else "unparsed",
            kind="yes_no",
        )
        for part, choice, text in zip(split(EVEN), [1, 0, 0], ["No", "Yes", "Yes"], strict=True)
    ]
    (joined,) = join([EVEN], said)
    assert (joined.choice, joined.correct, joined.text) == ((1, 2), True, "No\nYes\nYes")
    unread = [*said[:2], replace(said[2], choice=None, parsed="unparsed")]
    (joined,) = join([EVEN], unread)
    assert (joined.choice, joined.correct, joined.parsed) == (None, False, "unparsed")


def test_a_question_read_what_any_of_its_parts_read():
    found = [(("a", 2.0), ("b", 1.0)), (("b", 3.0),), ()]
    parts = [
        replace(scored(part, [1.0, 0.0]), retrieved=tuple(Retrieved(*pair) for pair in pairs))
        for part, pairs in zip(split(EVEN), found, strict=True)
    ]
    assert join([EVEN], parts)[0].retrieved == (("b", 3.0), ("a", 2.0))
    assert join([EVEN], [replace(part, retrieved=None) for part in parts])[0].retrieved is None
