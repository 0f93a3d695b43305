"""Options in a new order every epoch: which orders, in which batches, and who shows the same."""

import functools
from dataclasses import replace
from itertools import islice

import pytest

from mcqa.formulations.objectives import OPTIONS
from mcqa.prompting.encoded_sets import encode_set
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import get_template
from mcqa.training.batches import Data
from mcqa.training.shuffling import ShuffledOptions, count_fixed


@pytest.fixture
def encoder(tiny_tokenizer):
    return Encoder(tiny_tokenizer, get_template("lettered"), 256)


@pytest.fixture
def data(encoder, tiny_questions, tiny_tokenizer):
    def make(batch_size=6, shuffle=True):
        encoded = encode_set(encoder, tiny_questions, learning=True)
        of_epoch = functools.partial(ShuffledOptions, encoded.questions, encoder, 1)
        return Data(
            training=encoded,
            validation=(),
            length=OPTIONS.length,
            collate=functools.partial(_collate, tiny_tokenizer),
            batch_size=batch_size,
            seed=1,
            of_epoch=of_epoch if shuffle else None,
        )

    return make


def _collate(tokenizer, taken):
    made = OPTIONS.collate(taken, tokenizer=tokenizer)
    return made | {"asked": [one.question for one in taken]}


def asked(data, n, first=0):
    """Return the questions of each batch, one batch a step."""
    return [batch["asked"] for _, (batch,) in islice(data.steps(first), n)]


def test_an_epoch_is_encoded_as_its_reordered_questions_are(encoder, tiny_questions):
    stored = encode_set(encoder, tiny_questions).questions
    epochs = [ShuffledOptions(stored, encoder, 1, epoch) for epoch in (0, 1, 1)]
    places = [3, 0, 11]
    first, second, again = (epoch.__getitems__(places) for epoch in epochs)
    assert second == again != first
    for shown in (first, second):
        for one, place in zip(shown, places, strict=True):
            own = tiny_questions[place]
            assert sorted(one.question.options) == sorted(own.options)
            assert one.question.answer == own.answer
            assert one == encoder.encode([one.question])[0]
            listed = encoder.tokenizer.decode(one.prefix)
            assert [listed.index(f"{option}.") for option in one.question.options] == sorted(
                listed.index(f"{option}.") for option in one.question.options
            )
    assert (len(epochs[0]), epochs[0][3]) == (36, first[0])


def test_batches_hold_what_they_hold_without(data):
    plain, shuffled = asked(data(shuffle=False), 12), asked(data(), 12)
    for one, other in zip(plain, shuffled, strict=True):
        assert [question.id for question in one] == [question.id for question in other]
    moved = sum(
        a.options != b.options
        for one, other in zip(plain, shuffled, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    assert moved > 36  # of 72


def test_a_run_that_goes_on_shows_the_same(data):
    whole = asked(data(), 12)
    for first in (2, 6, 9):
        assert asked(data(), 12 - first, first) == whole[first:]


def test_processes_together_show_what_one_does(data, monkeypatch):
    whole, parts = asked(data(), 12), []
    monkeypatch.setattr("mcqa.system.processes.count", lambda: 2)
    for index in (0, 1):
        monkeypatch.setattr("mcqa.system.processes.index", lambda index=index: index)
        parts.append(asked(data(batch_size=3), 12))
    for batch, one, other in zip(whole, *parts, strict=True):
        assert (one, other) == (batch[0::2], batch[1::2])


def test_scales_are_counted(tiny_questions):
    scales = [replace(question, kind="scale") for question in tiny_questions[:5]]
    assert count_fixed([*scales, *tiny_questions]) == 5
