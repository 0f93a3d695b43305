"""The order of training questions, and how processes share each batch."""

import functools
import operator
import random
from itertools import chain, islice

import pytest
import torch
from datasets import Dataset
from transformers.trainer_pt_utils import LengthGroupedSampler

from mcqa.formulations.objectives import COMPLETION, IGNORED, OPTIONS
from mcqa.prompting.encoded_sets import encode_set
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import get_template
from mcqa.training.batches import Data, shares

LENGTHS = [random.Random(0).randrange(5, 60) for _ in range(61)]


def batches(size, epoch=0, **others):
    return shares(LENGTHS, size, epoch, **others)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_processes_together_have_the_batches_of_one(count):
    whole = batches(12, epoch=1, seed=3)
    shares = [
        batches(12 // count, epoch=1, seed=3, count=count, index=index) for index in range(count)
    ]
    assert [len(batch) for batch in whole] == [12] * 5 + [1]
    for number, batch in enumerate(whole):
        parts = [share[number] for share in shares]
        assert sorted(chain(*parts)) == sorted(batch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert sorted(chain(*whole)) == list(range(61))
    assert shares[-1][-1] == []


def test_an_order_follows_from_seed_and_epoch_alone():
    orders = [batches(8, epoch=epoch, seed=seed) for seed in (0, 1) for epoch in (0, 1, 2)]
    assert len({str(order) for order in orders}) == 6
    torch.rand(3)
    assert batches(8, epoch=2, seed=1) == orders[-1]


def test_the_first_epoch_is_in_the_order_that_the_trainer_had():
    torch.manual_seed(5)
    sampler = LengthGroupedSampler(16, lengths=LENGTHS)
    loader = torch.utils.data.DataLoader(range(61), batch_size=8, sampler=sampler)
    assert [batch.tolist() for batch in loader] == batches(8, seed=5, accumulation=2)


def test_steps_from_the_middle_are_the_rest_of_those_from_the_start():
    examples = Dataset.from_list([{"length": length} for length in LENGTHS])
    data = Data(
        training=examples,
        validation=(),
        length=operator.itemgetter("length"),
        collate=lambda taken: {"length": torch.tensor([one["length"] for one in taken])},
        batch_size=6,
        accumulation=4,
        seed=1,
    )
    assert data.steps_per_epoch == 3  # 11 batches: 4, 4 and 3
    whole = list(islice(data.steps(0), 8))
    assert [len(batches) for _, batches in whole] == [4, 4, 3, 4, 4, 3, 4, 4]
    assert [epoch for epoch, _ in whole[:4]] == [4 / 11, 8 / 11, 1.0, 1 + 4 / 11]
    for first in (1, 3, 5):
        rest = list(islice(data.steps(first), 8 - first))
        assert str(rest) == str(whole[first:])


def test_a_share_without_questions_is_one_without_labels(monkeypatch):
    monkeypatch.setattr("mcqa.system.processes.count", lambda: 2)
    monkeypatch.setattr("mcqa.system.processes.index", lambda: 1)
    data = Data(
        training=Dataset.from_list([{"length": 1}] * 3),
        validation=(),
        length=operator.itemgetter("length"),
        collate=lambda taken: {"labels": torch.ones(len(taken))},
        batch_size=1,
    )
    (_, (first,)), (_, (last,)) = islice(data.steps(0), 2)
    assert first["labels"].tolist() == [1]
    assert last["labels"].tolist() == [IGNORED]
    assert data.questions_per_step == 2


@pytest.mark.parametrize("objective", [COMPLETION, OPTIONS], ids=lambda objective: objective.name)
def test_batches_are_the_same_from_disk_as_from_memory(tiny_tokenizer, tiny_questions, objective):
    encoder = Encoder(tiny_tokenizer, get_template("cloze"), 256)
    runs = []
    for questions in (encode_set(encoder, tiny_questions), encoder.encode(tiny_questions)):
        data = Data(
            training=questions,
            validation=questions,
            length=objective.length,
            collate=functools.partial(objective.collate, tokenizer=tiny_tokenizer),
            batch_size=5,
            accumulation=2,
        )
        steps = [batch for _, batches in islice(data.steps(1), 6) for batch in batches]
        runs.append([{k: v.tolist() for k, v in batch.items()} for batch in steps])
        sizes = [batch["input_ids"].shape[1] for batch in data.validation_batches()]
        if objective is COMPLETION:  # a batch is as long as its longest question
            assert max(sizes) == max(map(objective.length, questions))
    assert runs[0] == runs[1]
