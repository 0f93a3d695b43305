"""The softmax over options, by hand."""

import math

import pytest
import torch

from heads.losses import cross_entropy

SCORES = torch.tensor([[0.0, math.log(3), 50.0], [math.log(2), 0.0, 0.0]])
MASK = torch.tensor([[True, True, False], [True, True, True]])
# 1 : 3 for the first question's two options, 2 : 1 : 1 for the second's three.
NATS = (math.log(4 / 3), math.log(4 / 2))


def test_loss_is_the_mean_over_questions():
    loss = cross_entropy(SCORES, MASK, torch.tensor([1, 0]))
    assert loss.item() == pytest.approx(sum(NATS) / 2)


def test_num_items_replaces_the_number_of_questions():
    loss = cross_entropy(SCORES, MASK, torch.tensor([1, 0]), num_items=8)
    assert loss.item() == pytest.approx(sum(NATS) / 8)


def test_the_gradient_is_probability_minus_gold_and_zero_on_padding():
    scores = SCORES.clone().requires_grad_()
    cross_entropy(scores, MASK, torch.tensor([1, 0])).backward()
    expected = torch.tensor([[1 / 4, 3 / 4 - 1, 0], [2 / 4 - 1, 1 / 4, 1 / 4]]) / 2
    torch.testing.assert_close(scores.grad, expected)
    assert scores.grad[0, 2] == 0


def test_a_label_on_a_padded_option_is_refused():
    with pytest.raises(ValueError, match="padded option"):
        cross_entropy(SCORES, MASK, torch.tensor([2, 0]))
