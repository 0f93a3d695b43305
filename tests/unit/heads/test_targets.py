"""Losses for targets, against sums written out by hand."""

import math

import pytest
import torch

from heads.losses import cross_entropy
from heads.targets import BINARY, CUMULATIVE, SOFTMAX, binary, cumulative, softmax, target_loss

SCORES = torch.tensor([[0.3, -1.2, 2.0, 0.0], [1.0, 0.5, 7.0, 9.0]])
MASK = torch.tensor([[True] * 4, [True, True, False, False]])


def log_sigmoid(x):
    return -math.log1p(math.exp(-x))


def test_softmax_of_one_hot_targets_is_the_cross_entropy():
    targets = torch.tensor([[0.0, 0, 1, 0], [0.0, 1, 0, 0]])
    expected = cross_entropy(SCORES, MASK, torch.tensor([2, 1]))
    assert softmax(SCORES, MASK, targets).mean() == pytest.approx(expected.item(), rel=1e-6)


def test_softmax_of_soft_targets_by_hand():
    (value,) = softmax(torch.tensor([[1.0, 0.0]]), MASK[1:, :2], torch.tensor([[0.7, 0.3]]))
    assert value.item() == pytest.approx(-0.7 * log_sigmoid(1) - 0.3 * log_sigmoid(-1))


def test_binary_by_hand_and_without_options_that_do_not_exist():
    targets = torch.tensor([[1.0, 0, 1, 0], [0.0, 1, 0, 0]])
    first, second = binary(SCORES, MASK, targets).tolist()
    by_hand = [log_sigmoid(0.3), log_sigmoid(1.2), log_sigmoid(2.0), log_sigmoid(0.0)]
    assert first == pytest.approx(-sum(by_hand) / 4, rel=1e-6)
    assert second == pytest.approx(-(log_sigmoid(-1.0) + log_sigmoid(0.5)) / 2, rel=1e-6)


def test_cumulative_by_hand():
    """Of three levels with the right one in the middle: not up to 0, and up to 1."""
    (value,) = cumulative(SCORES[:1, :3], MASK[:1, :3], torch.tensor([[0.0, 1, 0]]))
    weights = [math.exp(s) for s in (0.3, -1.2, 2.0)]
    up_to = [weights[0] / sum(weights), (weights[0] + weights[1]) / sum(weights)]
    assert value.item() == pytest.approx(
        -(math.log(1 - up_to[0]) + math.log(up_to[1])) / 2, rel=1e-5
    )


def test_a_level_beside_the_right_one_costs_less_than_one_far_away():
    sure = torch.eye(5) * 8  # of question k all probability is at level k
    targets = torch.tensor([[1.0, 0, 0, 0, 0]]).expand(5, 5)
    costs = cumulative(sure, torch.ones(5, 5, dtype=torch.bool), targets).tolist()
    assert costs == sorted(costs)
    assert costs[0] < 0.02
    assert costs[4] > 2 * costs[1]


def test_levels_that_do_not_exist_change_nothing():
    targets = torch.tensor([[0.0, 1, 0, 0], [0.0, 1, 0, 0]])
    padded = cumulative(SCORES, MASK, targets)[1]
    (alone,) = cumulative(SCORES[1:, :2], MASK[1:, :2], targets[1:, :2])
    assert padded.item() == pytest.approx(alone.item(), rel=1e-6)


def test_a_mixed_batch_adds_up_each_questions_own_loss_times_its_weight():
    scores, mask = SCORES[[0, 0, 1]], MASK[[0, 0, 1]]
    targets = torch.tensor([[0.0, 1, 0, 0], [1.0, 0, 1, 0], [0.0, 1, 0, 0]])
    losses, weights = torch.tensor([CUMULATIVE, BINARY, SOFTMAX]), torch.tensor([1.0, 0.5, 2.0])
    each = [
        loss(scores[[n]], mask[[n]], targets[[n]]).item()
        for n, loss in enumerate((cumulative, binary, softmax))
    ]
    total = target_loss(scores, mask, targets, losses, weights, num_items=4)
    expected = (each[0] + 0.5 * each[1] + 2 * each[2]) / 4
    assert total.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", [SOFTMAX, CUMULATIVE, BINARY])
def test_gradients_are_finite_and_none_reaches_what_does_not_exist(loss):
    scores = torch.where(MASK, SCORES, float("-inf")).requires_grad_()
    targets = torch.tensor([[0.0, 0, 1, 0], [0.0, 1, 0, 0]])
    target_loss(scores, MASK, targets, torch.full((2,), loss)).backward()
    assert scores.grad.isfinite().all()
    assert (scores.grad[~MASK] == 0).all()
    assert (scores.grad[MASK] != 0).any()


@pytest.mark.parametrize("loss", [softmax, cumulative, binary])
def test_gradients_are_those_of_finite_differences(loss):
    scores = SCORES.double().requires_grad_()
    targets = torch.tensor([[0.1, 0.2, 0.6, 0.1], [0.25, 0.75, 0, 0]], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda s: loss(s, MASK, targets), scores)
