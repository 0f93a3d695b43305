"""The softmax over options, by hand."""

import math

import pytest
import torch

from heads.losses import (
    LOSSES,
    binary,
    cross_entropy,
    head_loss,
    listwise,
    margin,
    mixed_loss,
)
from heads.settings import HeadSettings
from heads.targets import BINARY, CUMULATIVE, OWN, cumulative
from heads.targets import binary as of_targets

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


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_label_smoothing_spreads_over_the_options_that_exist():
    loss = cross_entropy(SCORES, MASK, torch.tensor([1, 0]), label_smoothing=0.2)
    first = -0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4)
    second = -(0.8 + 0.2 / 3) * math.log(2 / 4) - 2 * 0.2 / 3 * math.log(1 / 4)
    assert loss.item() == pytest.approx((first + second) / 2)


def test_binary_judges_every_option_by_itself():
    loss = binary(SCORES, MASK, torch.tensor([1, 0]))
    first = (-math.log(sigmoid(0) * 1.0) - math.log(sigmoid(math.log(3)))) / 2
    second = (-math.log(sigmoid(math.log(2))) - 2 * math.log(1 - sigmoid(0))) / 3
    assert loss.item() == pytest.approx((first + second) / 2)


def test_margin_is_what_is_missing_to_a_lead_of_one():
    # The first question leads by log 3 > 1; the second by log 2 over both rivals.
    loss = margin(SCORES, MASK, torch.tensor([1, 0]))
    assert loss.item() == pytest.approx((0 + (1 - math.log(2))) / 2)


def test_listwise_is_one_minus_the_gain_at_the_smoothed_rank():
    loss = listwise(SCORES, MASK, torch.tensor([1, 0]))
    ranks = 1 + 1 / 4, 1 + 2 * 1 / 3
    assert loss.item() == pytest.approx(sum(1 - 1 / math.log2(1 + rank) for rank in ranks) / 2)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_ignores_padding_counts_questions_and_checks_labels(name):
    loss, labels = LOSSES[name], torch.tensor([1, 0])
    scores = SCORES.masked_fill(~MASK, float("-inf")).requires_grad_()
    value = loss(scores, MASK, labels)
    value.backward()
    assert scores.grad.isfinite().all()
    assert scores.grad[0, 2] == 0
    assert scores.grad[1].abs().min() > 0
    assert loss(SCORES, MASK, labels).item() == pytest.approx(value.item())
    assert loss(SCORES, MASK, labels, num_items=8).item() == pytest.approx(value.item() / 4)
    for wrong in (2, 3, -1):
        with pytest.raises(ValueError, match="padded option"):
            loss(SCORES, MASK, torch.tensor([wrong, 0]))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_can_leave_a_head_of_zeros(name):
    scores = torch.zeros(1, 3, requires_grad=True)
    LOSSES[name](scores, torch.ones(1, 3, dtype=torch.bool), torch.tensor([1])).backward()
    assert scores.grad[0, 1] < 0 < scores.grad[0, 0]


MIXED = {
    "targets": torch.tensor([[0.0, 1, 0], [0.2, 0.5, 0.3]]),
    "weights": torch.tensor([2.0, 0.5]),
}


@pytest.mark.parametrize("own", LOSSES.values(), ids=LOSSES)
def test_a_mixed_batch_is_the_weighted_mean_of_its_questions_alone(own):
    label = torch.tensor([1, 0])
    losses = torch.tensor([OWN, CUMULATIVE])
    mixed = mixed_loss(own, SCORES, MASK, label, losses=losses, **MIXED)
    plain = own(SCORES[:1], MASK[:1], label[:1])
    (scale,) = cumulative(SCORES[1:], MASK[1:], MIXED["targets"][1:])
    assert mixed.item() == pytest.approx((2 * plain.item() + 0.5 * scale.item()) / 2, rel=1e-6)


@pytest.mark.parametrize("own", LOSSES.values(), ids=LOSSES)
def test_a_batch_of_labels_alone_has_its_own_loss(own):
    label = torch.tensor([1, 0])
    plain = own(SCORES, MASK, label, 8)
    assert torch.equal(mixed_loss(own, SCORES, MASK, label, 8), plain)
    of_own = {"losses": torch.tensor([OWN, OWN]), "targets": MIXED["targets"]}
    assert mixed_loss(own, SCORES, MASK, label, 8, **of_own).item() == pytest.approx(plain.item())


def test_label_smoothing_is_the_heads_own_in_a_mixed_batch():
    settings = HeadSettings(label_smoothing=0.2)
    label, losses = torch.tensor([1, 0]), torch.tensor([OWN, BINARY])
    mixed = head_loss(settings, SCORES, MASK, label, losses=losses, targets=MIXED["targets"])
    plain = cross_entropy(SCORES[:1], MASK[:1], label[:1], label_smoothing=0.2)
    (several,) = of_targets(SCORES[1:], MASK[1:], MIXED["targets"][1:])
    assert mixed.item() == pytest.approx((plain.item() + several.item()) / 2, rel=1e-6)
