"""What questions share is found from their tokens: the same scores, every shared token once."""

import random

import pytest
import torch
from architectures import build
from hypothesis import given
from hypothesis import strategies as st

from heads.branching import option_tokens, pack
from heads.sharing import SHORTEST, pack_shared

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def tokens(chance, low, high):
    return [chance.randrange(20, 384) for _ in range(chance.randint(low, high))]


def passages(seed, n_passages=2, n_questions=4, length=60):
    """Return questions on passages, mixed; some begin alike and some are the same."""
    chance = random.Random(seed)
    prefixes = []
    for number in range(n_passages):
        passage = [number, *tokens(chance, length, length)]
        stems = [tokens(chance, 1, 12) for _ in range(n_questions)]
        stems[1] = stems[0][:1] + stems[1]
        stems[2] = list(stems[3])
        prefixes += [passage + stem for stem in stems]
    prefixes.append([n_passages, *tokens(chance, 5, 30)])
    options = [[tokens(chance, 1, 4) for _ in range(3)] for _ in prefixes]
    options[2][1], options[0][2] = options[3][0], options[0][1]
    together = list(zip(prefixes, options, strict=True))
    chance.shuffle(together)
    return tuple(map(list, zip(*together, strict=True)))


def texts(batch):
    """Return what every option's tokens are, and what they continue from."""
    owner, token, source = option_tokens(batch.option_spans, batch.fork)
    flat = batch.input_ids.flatten()
    return owner.tolist(), flat[token].tolist(), flat[source].tolist()


@given(seed=st.integers(0, 1000))
def test_every_option_is_there_and_shared_tokens_once(seed):
    prefixes, options = passages(seed)
    batch, apart = pack_shared(prefixes, options), pack(prefixes, options)
    assert texts(batch) == texts(apart)
    real = int((batch.branch_ids >= 0).sum())
    beginnings = {tuple(p[: n + 1]) for p in prefixes for n in range(len(p))}
    nodes = {(tuple(p), tuple(o)) for p, of in zip(prefixes, options, strict=True) for o in of}
    assert real == len(beginnings) + sum(len(option) for _, option in nodes)
    assert len(batch.input_ids) == 3


@pytest.mark.parametrize("seed", range(4))
def test_scores_and_gradients_are_those_of_questions_apart(seed):
    prefixes, options = passages(seed)
    labels = torch.zeros(len(prefixes), dtype=torch.long)
    results = []
    for layout in (pack, pack_shared):
        model = build("gemma3-window", pooling="attention")
        output = model(**layout(prefixes, options).as_dict(), labels=labels)
        output.loss.backward()
        gradient = model.base_model.get_input_embeddings().weight.grad
        results.append((output.logits, gradient))
    torch.testing.assert_close(results[1][0], results[0][0], **CLOSE)
    torch.testing.assert_close(results[1][1], results[0][1], rtol=1e-4, atol=1e-5)


def test_questions_that_share_little_are_laid_out_as_ever():
    chance = random.Random(0)
    start = tokens(chance, SHORTEST - 1, SHORTEST - 1)
    prefixes = [[*start, n, *tokens(chance, 1, 9)] for n in (2, 3, 4)]
    prefixes += [tokens(chance, 1, 9) for _ in range(3)]
    options = [[[n, 1], [n], [n, 2]] for n in range(6)]
    given, expected = pack_shared(prefixes, options), pack(prefixes, options)
    for name, tensor in expected.as_dict().items():
        assert torch.equal(given.as_dict()[name], tensor)


def test_a_row_is_not_shared_where_that_costs_more_than_it_saves():
    """Twenty tokens are not worth that 16 questions of 150 tokens are held against each other."""
    chance = random.Random(0)
    start = tokens(chance, 20, 20)
    for length, rows in ((130, 16), (30, 1)):
        prefixes = [[*start, n, *tokens(chance, length, length)] for n in range(16)]
        assert len(pack_shared(prefixes, [[[1]]] * 16).input_ids) == rows


def test_what_is_known_saves_nothing():
    prefixes = [[5] * 40 + [7], [5] * 40 + [8]]
    assert len(pack_shared(prefixes, [[[1]]] * 2).input_ids) == 1
    assert len(pack_shared(prefixes, [[[1]]] * 2, known=40 - SHORTEST).input_ids) == 1
    assert len(pack_shared(prefixes, [[[1]]] * 2, known=40 - SHORTEST + 1).input_ids) == 2


def test_an_empty_prefix_is_refused_by_number():
    with pytest.raises(ValueError, match="question 1 of the batch has an empty prefix"):
        pack_shared([[11], []], [[[1], [2]], [[3], [4]]])
