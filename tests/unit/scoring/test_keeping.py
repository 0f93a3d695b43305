"""What all prompts of a data set begin with is run once for a scoring run, and changes no score."""

import json
import random
import shutil
from dataclasses import replace

import pytest
import torch

from heads.kept_prefix import kept_tokens
from heads.likelihood import add_training_forward
from mcqa.prompting.prompts import Shots
from mcqa.question import Question
from mcqa.scoring.loading import load_scorer

WORDS = ("New", "York", "City", "warm", "water", "rusty", "saw", "plum")


def question(seed, n_options=None):
    chance = random.Random(seed)

    def words(low, high):
        return " ".join(chance.choices(WORDS, k=chance.randint(low, high)))

    options = tuple(f"{words(1, 3)} {n}" for n in range(n_options or chance.randint(2, 4)))
    return Question(id=f"q{seed}", stem=f"{words(1, 12)}?", options=options, label=0)


QUESTIONS = [question(seed) for seed in range(14)]
POOL = tuple(question(seed) for seed in range(100, 120))
FIXED = Shots(POOL, 3, order="fixed")


@pytest.fixture(scope="module")
def load(tiny_model_folder, tmp_path_factory):
    """Load the tiny model with room for examples."""
    folder = tmp_path_factory.mktemp("longer") / "model"
    shutil.copytree(tiny_model_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 1024}))

    def get(name="text", dtype="float32", **settings):
        how = {"shots": FIXED, "dtype": dtype, "device": "cpu", **settings}
        return load_scorer(str(folder), name, **how)

    return get


@pytest.fixture
def trunk_tokens(monkeypatch):
    """Record the rows and columns that a scorer's trunk is run on."""

    def record(scorer):
        shapes = []

        def note(module, args, kwargs):
            shapes.append(tuple(kwargs["input_ids"].shape))

        scorer.model.base_model.register_forward_pre_hook(note, with_kwargs=True)
        return shapes

    return record


@pytest.mark.parametrize("name", ["text", "text-mean", "pmi", "letter", "constrained"])
def test_scores_are_those_of_each_question_by_itself(load, name, trunk_tokens):
    scorer = load(name)
    shared = scorer.encoder.shared()
    assert len(shared) > 40
    alone = [scorer.score(one) for one in QUESTIONS]  # nothing is kept for one question
    shapes = trunk_tokens(scorer)
    together = scorer.score_many(QUESTIONS, batch_size=4)
    assert shapes[0] == (1, len(shared))
    assert sum(shape == (1, len(shared)) for shape in shapes) == 1
    own = [shape[1] for shape in shapes[1:]]
    assert max(own) < len(shared)
    for one, other in zip(alone, together, strict=True):
        assert (one.choice, one.tokens, one.text) == (other.choice, other.tokens, other.text)
        if one.scores is not None:
            assert other.scores == pytest.approx(one.scores, rel=1e-4, abs=1e-4)


def test_one_question_after_another_shares_inside_a_with(load, trunk_tokens):
    scorer = load()
    alone = [scorer.score(one) for one in QUESTIONS[:3]]
    shapes = trunk_tokens(scorer)
    with scorer.keeping():
        kept = [scorer.score(one) for one in QUESTIONS[:3]]
    assert [rows for rows, _ in shapes] == [1] * 4
    for one, other in zip(alone, kept, strict=True):
        assert other.scores == pytest.approx(one.scores, rel=1e-4, abs=1e-4)
    shapes.clear()
    scorer.score(QUESTIONS[0])
    assert shapes[0][1] > len(scorer.encoder.shared())


def test_weights_that_change_between_two_runs_count(load):
    scorer = load()
    before = scorer.score_many(QUESTIONS)
    with torch.no_grad():
        for parameter in scorer.model.base_model.layers.parameters():
            parameter.mul_(1.5)
    after = scorer.score_many(QUESTIONS)
    alone = [scorer.score(one) for one in QUESTIONS]
    assert all(one.scores != other.scores for one, other in zip(before, after, strict=True))
    for one, other in zip(alone, after, strict=True):
        assert other.scores == pytest.approx(one.scores, rel=1e-4, abs=1e-4)


def test_a_question_whose_examples_were_dropped_is_scored_as_by_itself(load):
    scorer = load(max_length=170)
    long = replace(QUESTIONS[0], id="long", stem="York City water " * 25)
    asked = [*QUESTIONS, long]
    encoded = scorer.encoder.encode(asked)
    assert encoded[-1].truncated
    assert encoded[-1].prefix[: len(scorer.encoder.shared())] != scorer.encoder.shared()
    together = scorer.score_many(asked, batch_size=4)
    for one, other in zip(map(scorer.score, asked), together, strict=True):
        assert other.scores == pytest.approx(one.scores, rel=1e-4, abs=1e-4)


@pytest.mark.bits
@pytest.mark.parametrize("name", ["text", "constrained"])
def test_the_order_of_options_that_are_not_listed_changes_no_bit(load, name):
    """Also of a part of the questions, and of one of them."""
    scorer = load(name, dtype="bfloat16")
    turned = [replace(question, options=question.options[::-1]) for question in QUESTIONS]
    alone = question(50, n_options=7)
    turned_alone = replace(alone, options=alone.options[::-1])
    with scorer.keeping():
        here = scorer.score_many([*QUESTIONS, alone], batch_size=4)
        there = scorer.score_many([*turned, turned_alone], batch_size=4)
        part = scorer.score_many([turned_alone], batch_size=4)
    assert part[0] == there[-1]
    for one, other, asked in zip(here, there, [*QUESTIONS, alone], strict=True):
        if name == "constrained":
            assert asked.options[one.choice] == asked.options[::-1][other.choice]
        else:
            assert one.scores == other.scores[::-1]


def test_training_does_not_see_what_scoring_kept(load):
    scorer = load()
    model = add_training_forward(scorer.model)
    scorer.score_many(QUESTIONS)
    assert not kept_tokens(model)
