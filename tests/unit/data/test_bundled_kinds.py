"""The bundled questions with several right answers, and those with ordered ones."""

import hashlib
from collections import Counter

import pytest

from mcqa.data.bundled import SPLITS, bundled_questions
from mcqa.data.bundled.tables import load_kinds, normalise, right_answers

QUESTIONS = {
    (kind, split): bundled_questions(split, kind)
    for kind in ("several", "scale")
    for split in SPLITS
}
KINDS = {kind.name: kind for kind in load_kinds()}


@pytest.mark.parametrize("kind", ["several", "scale"])
def test_there_are_enough_of_them_all_different(kind):
    questions = [q for split in SPLITS for q in QUESTIONS[kind, split]]
    assert len(questions) >= 600
    assert len({question.id for question in questions}) == len(questions)
    assert len({(q.stem, q.options) for q in questions}) > 0.97 * len(questions)
    assert {question.kind for question in questions} == {kind}


def test_a_pair_is_right_where_the_table_says_so():
    for question in (q for split in SPLITS for q in QUESTIONS["several", split]):
        kind = KINDS[question.id.split("/")[1]]
        phrasing = kind.phrasings[0]
        facts = {fact.values[phrasing.given[0]]: fact for fact in kind.facts}
        right = []
        for place, option in enumerate(question.options):
            given, value = next(
                (key, option[len(key) + 2 :]) for key in facts if option.startswith(f"{key}: ")
            )
            if normalise(value) in right_answers(kind, phrasing, facts[given]):
                right.append(place)
        assert question.label == tuple(right), question.id


def test_no_option_gives_another_away():
    """A value that is shown twice would tell that one of the two is wrong."""
    for question in QUESTIONS["several", "test"]:
        values = [option.split(": ")[-1] for option in question.options]
        wrong = [v for place, v in enumerate(values) if place not in question.label]
        shown = Counter(values)
        assert all(shown[value] == 1 for value in wrong), question.id


def asked(question):
    """Return the facts or the item that a question stands on."""
    if question.kind == "scale":
        return {question.id.rsplit("/", 1)[0]}
    table = question.id.split("/")[1]
    return {f"{table}/{option.split(': ')[0]}" for option in question.options}


@pytest.mark.parametrize("kind", ["several", "scale"])
def test_no_fact_and_no_item_is_on_two_sides(kind):
    sides = {split: set().union(*map(asked, QUESTIONS[kind, split])) for split in SPLITS}
    assert not sides["train"] & sides["test"]
    assert not sides["train"] & sides["validation"]
    assert not sides["validation"] & sides["test"]


def test_as_many_options_are_right_as_wrong_and_every_level_is_asked():
    several = [q for split in SPLITS for q in QUESTIONS["several", split]]
    right = sum(len(q.label) for q in several) / sum(len(q.options) for q in several)
    assert 0.42 < right < 0.58
    for split in SPLITS:
        scales = {}
        for question in QUESTIONS["scale", split]:
            scales.setdefault(question.options, set()).add(question.label)
        assert len(scales) == 10
        assert all(levels == set(range(len(options))) for options, levels in scales.items())


def test_the_content_is_the_same_everywhere():
    content = "\n".join(
        repr((q.id, q.stem, q.options, q.label)) for key in QUESTIONS for q in QUESTIONS[key]
    )
    assert hashlib.sha256(content.encode()).hexdigest()[:16] == "4bb2a429a77ce5b0"
