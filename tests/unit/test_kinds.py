"""What a kind of question changes, and what holds for all of them."""

import dataclasses
import json
import math

import pytest
from any_kind import questions_of_any_kind, scores_for
from hypothesis import given
from hypothesis import strategies as st

from mcqa.data.judgements import PROPOSED, asked_texts, is_judged, split, whole_stem
from mcqa.data.stored import StoredQuestions
from mcqa.errors import ConfigError
from mcqa.evaluation.orders import reorder, restore, show
from mcqa.formulations.judged import join
from mcqa.kinds import KINDS, expected_level, median_level
from mcqa.prediction import Prediction, read_predictions, write_predictions
from mcqa.question import Question

ORDERED = tuple(kind.name for kind in KINDS.values() if kind.ordered)
UNORDERED = tuple(kind.name for kind in KINDS.values() if not kind.ordered)


def scored(question, scores, **how):
    about = {"unit": "nats", "scorer": "text", "tokens": 5}
    return Prediction.scored(question, scores, **about, **how)


def test_each_kind_says_what_it_is():
    assert tuple(KINDS) == ("choice", "yes_no", "scale", "several")
    assert all(kind.name == name and kind.description for name, kind in KINDS.items())
    assert (ORDERED, [k.name for k in KINDS.values() if k.several]) == (("scale",), ["several"])


def test_probabilities_of_large_scores_are_no_overflow():
    for kind in KINDS.values():
        assert kind.probabilities([1000.0, -1000.0]) == (1.0, 0.0)


def test_a_level_is_the_mean_or_the_one_where_half_is_reached():
    assert expected_level([0.125, 0.25, 0.625]) == 1.5
    assert median_level([0.125, 0.25, 0.625]) == 2
    assert (median_level([0.5, 0.25, 0.25]), median_level([0.1] * 10)) == (0, 4)


@given(question=questions_of_any_kind())
def test_a_question_is_read_back_from_json(question):
    row = json.loads(json.dumps(dataclasses.asdict(question)))
    assert Question(**row) == question


@given(questions=st.lists(questions_of_any_kind(), min_size=1, max_size=4))
def test_a_question_is_read_back_from_disk(questions):
    assert list(StoredQuestions(questions)) == questions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("predictions")


@given(question=questions_of_any_kind(), data=st.data())
def test_a_prediction_is_read_back(folder, question, data):
    prediction = scored(question, data.draw(scores_for(question)))
    calibrated = prediction.calibrated(data.draw(st.floats(0.1, 10)))
    written = [prediction, calibrated]
    assert read_predictions(write_predictions(folder / "p.jsonl", written)) == written
    row = json.loads(prediction.to_json())
    assert ("expected" in row) == KINDS[question.kind].ordered
    assert ("kind" in row) == (question.kind != "choice")


@given(question=questions_of_any_kind(), data=st.data())
def test_probabilities_sum_to_one_where_one_option_is_right(question, data):
    kind, scores = KINDS[question.kind], data.draw(scores_for(question))
    probabilities = kind.probabilities(scores, data.draw(st.floats(0.1, 10)))
    assert len(probabilities) == len(scores)
    assert all(0 <= probability <= 1 for probability in probabilities)
    assert kind.several or math.isclose(sum(probabilities), 1)
    ranked = sorted(range(len(scores)), key=scores.__getitem__)
    assert [probabilities[index] for index in ranked] == sorted(probabilities)


@given(scores=st.lists(st.floats(-50, 50), min_size=2, max_size=6), changed=st.floats(-50, 50))
def test_of_several_no_option_takes_anything_from_another(scores, changed):
    kind = KINDS["several"]
    assert kind.probabilities([*scores[:-1], changed])[:-1] == kind.probabilities(scores)[:-1]


@given(
    scores=st.lists(st.floats(-20, 20), min_size=2, max_size=6),
    thresholds=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)).map(sorted),
)
def test_a_higher_threshold_chooses_no_more(scores, thresholds):
    kind = KINDS["several"]
    many, few = (kind.choose(scores, threshold) for threshold in thresholds)
    assert set(few) <= set(many)
    likely = {i for i, p in enumerate(kind.probabilities(scores)) if p > thresholds[0] + 1e-9}
    assert likely <= set(many)
    assert all(kind.probabilities(scores)[index] > thresholds[0] - 1e-9 for index in many)


@given(question=questions_of_any_kind(), data=st.data())
def test_the_threshold_is_for_several_right_answers_alone(question, data):
    scores = data.draw(scores_for(question))
    chosen = scored(question, scores, threshold=data.draw(st.floats(0.01, 0.99))).choice
    if KINDS[question.kind].several:
        assert chosen == tuple(sorted(chosen))
    else:
        assert chosen == scores.index(max(scores))


@given(question=questions_of_any_kind(kinds=ORDERED), data=st.data())
def test_a_scales_levels_lie_on_the_scale(question, data):
    scores = data.draw(scores_for(question))
    prediction = scored(question, scores)
    highest = len(scores) - 1
    assert -1e-9 <= prediction.expected <= highest + 1e-9
    below = math.fsum(prediction.probabilities[: prediction.median])
    assert below < 0.5 <= below + prediction.probabilities[prediction.median] + 1e-9
    mirrored = scored(dataclasses.replace(question, label=None, targets=None), scores[::-1])
    assert math.isclose(mirrored.expected, highest - prediction.expected, abs_tol=1e-9)


@given(question=questions_of_any_kind(kinds=UNORDERED), data=st.data())
def test_in_another_order_a_question_has_the_same_answer(question, data):
    order = tuple(data.draw(st.permutations(range(len(question.options)))))
    shown = reorder(question, order)
    back = tuple(map(order.index, range(len(order))))
    assert reorder(shown, back) == question
    assert shown.options == show(question.options, order)
    if question.label is not None:
        answers = question.answer if isinstance(question.answer, tuple) else (question.answer,)
        moved = shown.answer if isinstance(shown.answer, tuple) else (shown.answer,)
        assert sorted(moved) == sorted(answers)
    for name in ("targets", "names"):
        values, moved = getattr(question, name), getattr(shown, name)
        assert values is moved is None or restore(moved, order) == values


@given(question=questions_of_any_kind(kinds=UNORDERED), data=st.data())
def test_in_another_order_an_answer_is_as_right(question, data):
    scores = data.draw(scores_for(question).filter(lambda values: len(set(values)) == len(values)))
    order = tuple(data.draw(st.permutations(range(len(scores)))))
    asked, shown = scored(question, scores), scored(reorder(question, order), show(scores, order))
    assert shown.correct == asked.correct
    assert restore(shown.probabilities, order) == pytest.approx(asked.probabilities, rel=1e-12)


@given(question=questions_of_any_kind(kinds=ORDERED), data=st.data())
def test_a_scale_has_no_other_order(question, data):
    own = tuple(range(len(question.options)))
    assert reorder(question, own) == question
    order = tuple(data.draw(st.permutations(own).filter(lambda order: tuple(order) != own)))
    with pytest.raises(ConfigError, match="its options are levels"):
        reorder(question, order)


@given(question=questions_of_any_kind(), data=st.data())
def test_a_question_is_split_and_joined_again(question, data):
    parts = split(question)
    assert all(whole_stem(part) == question.stem for part in parts)
    if not is_judged(question):
        assert parts == [question]
        return
    assert len({part.id for part in parts}) == len(parts) == len(question.options)
    assert {part.context for part in parts} == {question.context}
    right = tuple(index for index, part in enumerate(parts) if part.label == 0)
    assert right == (question.label or ())
    if question.targets:
        assert tuple(part.targets[0] for part in parts) == question.targets
    pairs = [data.draw(scores_for(part)) for part in parts]
    threshold = data.draw(st.floats(0.01, 0.99))
    (joined,) = join([question], list(map(scored, parts, pairs)), threshold)
    alone = scored(question, [yes - no for yes, no in pairs], threshold=threshold)
    assert joined == dataclasses.replace(alone, tokens=5 * len(parts))


@given(questions=st.lists(questions_of_any_kind(), min_size=1, max_size=5), data=st.data())
def test_mixed_questions_keep_their_places_when_joined(questions, data):
    parts = [part for question in questions for part in split(question)]
    joined = join(questions, [scored(part, data.draw(scores_for(part))) for part in parts])
    kept = [(question.id, question.kind, question.label) for question in questions]
    assert [(p.id, p.kind, p.label) for p in joined] == kept


def test_a_search_is_for_what_is_asked_not_for_the_words_that_ask():
    several = Question(stem="Which are even?", options=("1", "2"), kind="several")
    assert asked_texts(several) == ("Which are even?", "1", "2")
    assert [asked_texts(part) for part in split(several)] == [
        ("Which are even?", "1"),
        ("Which are even?", "2"),
    ]
    assert asked_texts(Question(stem="Is 7 prime?", kind="yes_no")) == ("Is 7 prime?",)
    french = Question(stem="7 ?", kind="yes_no", options=("Oui", "Non"))
    assert asked_texts(french) == ("7 ?", "Oui", "Non")


def test_a_stem_that_only_looks_like_a_part_is_not_cut_to_nothing():
    odd = Question(stem=PROPOSED + "7", options=("a", "b"))
    assert whole_stem(odd) == odd.stem
