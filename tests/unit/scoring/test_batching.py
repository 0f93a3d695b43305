"""Which questions go through the model together."""

import random
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from mcqa.prompting.encoded_sets import encode_set
from mcqa.prompting.encoding import EncodedQuestion, Encoder
from mcqa.prompting.prompts import TEMPLATES, Shots
from mcqa.question import Question
from mcqa.scoring import batching
from mcqa.scoring.batching import DEPTHS, make_batches
from mcqa.scoring.loading import load_scorer

PASSAGE = "Two friends sort what lies on the table, and one of them says what the other wants. "


def encoded(prefix, n_options=2, length=1):
    question = Question(stem="?", options=tuple(map(str, range(n_options))))
    continuations = tuple((n,) * length for n in range(n_options))
    return EncodedQuestion(question, tuple(prefix), continuations)


def by_length_alone(questions, batch_size):
    """The batches of questions that share nothing: of one number of options, the longest first."""
    groups = defaultdict(list)
    for index in sorted(range(len(questions)), key=lambda index: -questions[index].tokens):
        groups[len(questions[index].continuations)].append(index)
    batches = [
        group[start : start + batch_size]
        for group in groups.values()
        for start in range(0, len(group), batch_size)
    ]
    return sorted(batches, key=lambda batch: -questions[batch[0]].tokens)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_questions_that_share_nothing_are_batched_by_length(batch_size):
    chance = random.Random(batch_size)
    questions = [
        encoded([chance.randrange(400) for _ in range(chance.randint(1, 60))], chance.randint(2, 5))
        for _ in range(100)
    ]
    questions += [encoded([7] * (DEPTHS[0] - 1)) for _ in range(5)]  # short, though all the same
    assert make_batches(questions, batch_size) == by_length_alone(questions, batch_size)
    shared = [replace(q, prefix=(*range(40), *q.prefix)) for q in questions]
    assert make_batches(shared, batch_size, skip=40) == by_length_alone(shared, batch_size)


def test_questions_on_one_passage_are_together_however_they_are_mixed():
    chance = random.Random(0)
    passages = [[chance.randrange(400) for _ in range(100)] for _ in range(8)]
    questions = [encoded([*passages[n % 8], n, *[1] * (n % 7)]) for n in range(32)]
    batches = make_batches(questions, batch_size=9)
    assert sorted(map(len, batches)) == [8] * 4
    for batch in batches:
        counts = np.bincount([index % 8 for index in batch])
        assert set(counts.tolist()) <= {0, 4}
    assert sorted(index for batch in batches for index in batch) == list(range(32))


def test_what_shares_more_is_closer_together_where_not_all_fit():
    """All begin with the same 20 tokens, and four each with the same hundred."""
    chance = random.Random(0)
    passages = [[*range(20), *(chance.randrange(400) for _ in range(80))] for _ in range(6)]
    questions = [encoded([*passages[n % 6], n]) for n in range(24)]
    for batch in make_batches(questions, batch_size=9):
        assert set(np.bincount([index % 6 for index in batch]).tolist()) <= {0, 4}


def test_no_batch_is_larger_than_asked_for_or_of_two_numbers_of_options():
    questions = [encoded([*range(50), n], n_options=2 + n % 2) for n in range(60)]
    batches = make_batches(questions, batch_size=7)
    assert max(map(len, batches)) == 7
    assert all(len({index % 2 for index in batch}) == 1 for batch in batches)
    assert sorted(index for batch in batches for index in batch) == list(range(60))


def test_no_questions_make_no_batches():
    assert make_batches([], 4) == []


def test_a_set_on_disk_has_the_batches_of_a_list(tiny_tokenizer, tiny_questions, monkeypatch):
    monkeypatch.setattr(batching, "CHUNK", 5)
    encoder = Encoder(tiny_tokenizer, TEMPLATES["cloze"], 256)
    questions = [*tiny_questions, *[replace(q, id=f"{q.id} again") for q in tiny_questions]]
    there = make_batches(encode_set(encoder, questions), 4)
    assert there == make_batches(encoder.encode(questions), 4)
    assert there != by_length_alone(encoder.encode(questions), 4)


def passage_questions():
    chance = random.Random(0)
    words = ("apple", "saw", "nail", "plum", "pear", "cherry")
    for n in range(18):
        options = tuple(chance.sample(words, 3 + n % 2))
        context = f"{'AB'[n // 9]} {PASSAGE}" if n < 15 else None
        stem = f"{' '.join(chance.choices(words, k=chance.randint(1, 6)))}?"
        yield Question(id=f"q{n}", stem=stem, options=options, context=context, label=0)


@pytest.mark.parametrize("name", ["text", "letter", "pmi", "constrained"])
def test_questions_on_one_passage_get_the_scores_they_get_alone(tiny_model_folder, name):
    scorer = load_scorer(str(tiny_model_folder), name, dtype="float32", device="cpu")
    questions, tokens = list(passage_questions()), []
    alone = [scorer.score(question) for question in questions]

    def note(module, args, kwargs):
        tokens.append(kwargs["input_ids"].numel())

    scorer.model.base_model.register_forward_pre_hook(note, with_kwargs=True)
    together = scorer.score_many(questions, batch_size=6)
    if name != "pmi":
        assert sum(tokens) < 0.6 * sum(prediction.tokens for prediction in alone)
    for one, other in zip(alone, together, strict=True):
        assert (one.choice, one.text, one.tokens) == (other.choice, other.text, other.tokens)
        if one.scores is not None:
            assert other.scores == pytest.approx(one.scores, rel=1e-4, abs=1e-4)


@pytest.mark.bits
def test_the_order_of_options_changes_no_bit_of_questions_on_one_passage(tiny_model_folder):
    scorer = load_scorer(str(tiny_model_folder), "text", dtype="bfloat16", device="cpu")
    questions = list(passage_questions())
    turned = [replace(question, options=question.options[::-1]) for question in questions]
    some = [question for question in turned if len(question.options) > 3]
    here = {p.id: p for p in scorer.score_many(questions, batch_size=5)}
    for asked in (turned, some):
        for prediction in scorer.score_many(asked, batch_size=5):
            assert prediction.scores[::-1] == here[prediction.id].scores


def test_shots_that_are_drawn_leave_the_batches_as_they_were(tiny_tokenizer, tiny_questions):
    shots = Shots(tuple(tiny_questions), 3)
    encoder = Encoder(tiny_tokenizer, TEMPLATES["cloze"], 1024, shots=shots)
    given = encoder.encode(tiny_questions)
    sizes = sorted(map(len, make_batches(given, 4, skip=len(encoder.shared()))))
    assert len(sizes) <= len(by_length_alone(given, 4)) + 4
