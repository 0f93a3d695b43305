"""Random batches, and the plainest way to run them: one unpadded row per option."""

import random
from types import SimpleNamespace

import pytest
import torch

VOCABULARY = 384


def _random_questions(seed):
    """Return prefixes of 1 to 40 tokens with 2 to 8 options of 1 to 9 tokens each."""
    chance = random.Random(seed)

    def tokens(low, high):
        return [chance.randrange(2, VOCABULARY) for _ in range(chance.randint(low, high))]

    prefixes = [tokens(1, 40) for _ in range(5)]
    continuations = [[tokens(1, 9) for _ in range(n)] for n in (2, 8, 5, 3, chance.randint(2, 8))]
    # "New York" and "New York City"; the same option twice; heavy padding around a short question.
    continuations[1][0] = continuations[1][1] + tokens(1, 3)
    continuations[2][0] = list(continuations[2][1])
    prefixes[3], continuations[3] = tokens(1, 1), [tokens(1, 1) for _ in range(3)]
    return SimpleNamespace(prefixes=prefixes, continuations=continuations)


@pytest.fixture(params=range(4))
def random_questions(request):
    return _random_questions(request.param)


@pytest.fixture
def plain_log_likelihoods():
    """Score options one unpadded forward each, with the model's own positions and causal mask."""

    @torch.no_grad()
    def score(model, prefix, options):
        totals = []
        for option in options:
            logits = model(torch.tensor([[*prefix, *option]]), use_cache=False).logits[0].float()
            log_probabilities = logits.log_softmax(-1)[len(prefix) - 1 :]
            totals.append(sum(log_probabilities[i, token] for i, token in enumerate(option)))
        return [float(total) for total in totals]

    return score
