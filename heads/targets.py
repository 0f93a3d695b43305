"""Losses for targets: a number for each option in place of one right option.

A batch may hold questions of several sorts. Each has its own loss, named by a number, and its own
weight; what is returned is one number a question, so that they can be added up. Scores of options
that do not exist are ignored, and their targets must be 0. They take

    scores_BO       (B, O) scores
    option_mask_BO  (B, O) True where an option exists
    targets_BO      (B, O) from 0 to 1; of `softmax` and `cumulative` they sum to 1

and none of them synchronises with the host.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# The numbers by which a batch names the loss of each question: places in TARGET_LOSSES, or that
# the question has none of these, but the loss of its label.
SOFTMAX, CUMULATIVE, BINARY = range(3)
OWN = -1


def softmax(scores_BO: Tensor, option_mask_BO: Tensor, targets_BO: Tensor) -> Tensor:
    """Return the cross-entropy of the options' softmax with the targets, in nats."""
    log_probabilities = scores_BO.masked_fill(~option_mask_BO, float("-inf")).log_softmax(-1)
    return -(targets_BO * log_probabilities.masked_fill(~option_mask_BO, 0)).sum(-1)


def cumulative(scores_BO: Tensor, option_mask_BO: Tensor, targets_BO: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of being above each level but the last, in nats.

    The options are levels in their order, and the log-odds of being at most at level k is that of
    the softmax's sum up to k: a cumulative link model with the logistic link, whose thresholds are
    the scores'. A level far from the right one costs more than one beside it.

    Source: McCullagh (1980), Regression models for ordinal data.
    """
    scores_BO = scores_BO.masked_fill(~option_mask_BO, float("-inf"))
    up_to_BO = scores_BO.logcumsumexp(-1)[:, :-1]
    above_BO = scores_BO.flip(-1).logcumsumexp(-1).flip(-1)[:, 1:]
    exists_BO = option_mask_BO[:, 1:]
    log_odds_BO = (up_to_BO - above_BO.masked_fill(~exists_BO, 0)).masked_fill(~exists_BO, 0)
    wanted_BO = targets_BO.cumsum(-1)[:, :-1].clamp(max=1)
    each_BO = F.binary_cross_entropy_with_logits(log_odds_BO, wanted_BO, reduction="none")
    return (each_BO * exists_BO).sum(-1) / exists_BO.sum(-1).clamp(min=1)


def binary(scores_BO: Tensor, option_mask_BO: Tensor, targets_BO: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of the options, each judged by itself, in nats."""
    scores_BO = scores_BO.masked_fill(~option_mask_BO, 0)
    each_BO = F.binary_cross_entropy_with_logits(scores_BO, targets_BO, reduction="none")
    return (each_BO * option_mask_BO).sum(-1) / option_mask_BO.sum(-1)


TARGET_LOSSES = (softmax, cumulative, binary)


def target_loss(
    scores_BO: Tensor,
    option_mask_BO: Tensor,
    targets_BO: Tensor,
    losses_B: Tensor,
    weights_B: Tensor | None = None,
    num_items=None,
) -> Tensor:
    """Return the loss of a batch of questions of several sorts, a weighted mean over questions.

    Args:
        scores_BO, option_mask_BO, targets_BO: see above.
        losses_B: (B,) the loss of each question, a place in `TARGET_LOSSES`; `OWN` adds nothing.
        weights_B: (B,) what each question's loss is multiplied by, 1 where None.
        num_items: questions of the whole optimizer step, where gradients accumulate; by default
            those of this batch.
    """
    each_LB = torch.stack([loss(scores_BO, option_mask_BO, targets_BO) for loss in TARGET_LOSSES])
    # A product with 0 would make NaN of a loss that is not the question's and is infinite.
    own_LB = losses_B == torch.arange(len(TARGET_LOSSES), device=losses_B.device)[:, None]
    each_B = torch.where(own_LB, each_LB, 0).sum(0)
    if weights_B is not None:
        each_B = each_B * weights_B
    return each_B.sum() / (len(losses_B) if num_items is None else num_items)
