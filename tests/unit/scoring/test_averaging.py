"""Scores averaged over orders of the options: which mean, what it costs, and what stays."""

import math
import statistics
from dataclasses import replace

import pytest
import torch

from heads.multiple_choice import LlamaForMultipleChoice
from mcqa.errors import ConfigError
from mcqa.evaluation.orders import choose_orders, reorder
from mcqa.prediction import Prediction
from mcqa.prompting.encoded_sets import encode_set
from mcqa.question import Question
from mcqa.scoring.averaging import average
from mcqa.scoring.loading import load_scorer

PLAIN = {"dtype": "float32", "device": "cpu"}


@pytest.fixture(scope="module")
def head_folder(tiny_model_folder, tiny_tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("head")
    model = LlamaForMultipleChoice.from_pretrained(tiny_model_folder)
    torch.nn.init.normal_(model.option_head.weight, generator=torch.Generator().manual_seed(1))
    model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def letters(tiny_model_folder):
    """The letter scorer, plain and averaged over rotations."""
    load = {"model": str(tiny_model_folder), "scorer": "letter", **PLAIN}
    return load_scorer(**load), load_scorer(**load, orders="cyclic")


def by_hand(scorer, question, orders):
    """Return each option's scores in the orders, and the tokens of all."""
    answers = [scorer.score(reorder(question, order)) for order in orders]
    by_option = [
        [answer.scores[order.index(place)] for answer, order in zip(answers, orders, strict=True)]
        for place in range(len(question.options))
    ]
    return by_option, sum(answer.tokens for answer in answers)


def test_an_options_score_is_the_mean_of_its_scores_in_every_order(letters, tiny_questions):
    plain, averaged = letters
    for question in tiny_questions[:8]:
        orders = choose_orders("cyclic", len(question.options))
        by_option, tokens = by_hand(plain, question, orders)
        found = averaged.score(question)
        assert found.scores == tuple(map(statistics.mean, by_option))
        assert found.choice == found.scores.index(max(found.scores))
        assert (found.id, found.label, found.tokens) == (question.id, question.label, tokens)
        means = [math.exp(score) for score in found.scores]
        assert found.probabilities == pytest.approx([x / sum(means) for x in means])
        # the same as the normalised mean of log-probabilities
        columns = zip(*by_option, strict=True)
        sums = [math.log(sum(map(math.exp, column))) for column in columns]
        logs = [statistics.mean(s - z for s, z in zip(row, sums, strict=True)) for row in by_option]
        norm = math.log(sum(map(math.exp, logs)))
        assert found.probabilities == pytest.approx([math.exp(log - norm) for log in logs])


def test_complete_rotations_answer_alike_in_every_rotation(letters, tiny_questions):
    plain, averaged = letters
    moved = 0
    for question in tiny_questions[:8]:
        orders = choose_orders("cyclic", len(question.options))
        shown = [reorder(question, order) for order in orders]
        answers = {one.options[averaged.score(one).choice] for one in shown}
        assert len(answers) == 1
        moved += len({one.options[plain.score(one).choice] for one in shown}) > 1
    assert moved  # what is averaged away


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_head_that_sees_no_list_scores_as_without_to_the_last_bit(
    head_folder, tiny_questions, dtype
):
    how = {"dtype": dtype, "device": "cpu", "template": "cloze"}
    plain = load_scorer(head_folder, **how).score_many(tiny_questions, batch_size=5)
    for orders in ("cyclic", 3):
        with pytest.warns(UserWarning, match="'cloze' does not list the options"):
            scorer = load_scorer(head_folder, **how, orders=orders, seed=2)
        found = scorer.score_many(tiny_questions, batch_size=5)
        assert [replace(p, tokens=0) for p in found] == [replace(p, tokens=0) for p in plain]
        times = [len(choose_orders(orders, len(q.options))) for q in tiny_questions]
        cost = [p.tokens * n for p, n in zip(plain, times, strict=True)]
        assert [p.tokens for p in found] == cost


def test_a_stored_set_is_scored_as_a_list_and_goes_on_batch_by_batch(letters, tiny_questions):
    _, averaged = letters
    kept, counts = {}, []
    whole = averaged.score_many(tiny_questions, 5, counts.append, kept)
    assert sum(counts) == pytest.approx(36)
    encoded = encode_set(averaged.encoder, tiny_questions)
    assert averaged.score_encoded(encoded, 5) == whole
    assert sum(map(len, kept.values())) == sum(len(q.options) for q in tiny_questions)

    half = dict(list(kept.items())[: len(kept) // 2])
    before, scored = dict(half), []
    score_batch = averaged._score_batch
    try:
        averaged._score_batch = lambda batch: scored.append(batch) or score_batch(batch)
        assert averaged.score_many(tiny_questions, 5, None, half) == whole
    finally:
        del averaged._score_batch
    assert len(scored) == len(kept) - len(before)
    assert half == kept


def test_a_scale_is_scored_in_its_own_order_alone(letters, tiny_questions):
    plain, averaged = letters
    scale = Question(stem="How?", options=("saw", "nail", "pear"), kind="scale", id="scale")
    assert averaged.score(scale) == plain.score(scale)
    among = averaged.score_many([*tiny_questions[:3], scale, tiny_questions[3]])
    assert [p.tokens for p in among[3:]] == [
        plain.score(scale).tokens,
        averaged.score(tiny_questions[3]).tokens,
    ]


def test_of_several_right_answers_the_log_odds_are_averaged():
    scored = {"unit": "logit", "scorer": "head", "tokens": 2}
    several = Question(stem="Which?", options=("a", "b"), kind="several", label=(0,))
    pair = [
        Prediction.scored(several, [3.0, -1.0], **scored),
        Prediction.scored(reorder(several, (1, 0)), [-2.0, 1.0], **scored),
    ]
    mean = average(pair, [(0, 1), (1, 0)])
    assert (mean.scores, mean.choice, mean.tokens) == ((2.0, -1.5), (0,), 4)
    assert mean.probabilities == pytest.approx((1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1.5))))
    assert (mean.correct, mean.label) == (True, (0,))


def test_no_questions_are_no_predictions(letters):
    assert letters[1].score_many([]) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scorer": "letter", "orders": "some"}, "orders is 'some'; use cyclic, all, or a number"),
        ({"scorer": "letter", "orders": 1}, "orders is 1"),
        ({"scorer": "generate", "orders": "all"}, "'generate' writes an answer"),
    ],
)
def test_orders_that_cannot_be_averaged_are_refused(tiny_model_folder, settings, message):
    with pytest.raises(ConfigError, match=message):
        load_scorer(str(tiny_model_folder), **PLAIN, **settings)
