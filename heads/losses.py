"""Training objectives over the scores of a question's options.

Each is a mean over questions, which count the same however many options they have. They take

    scores_BO       (B, O) scores
    option_mask_BO  (B, O) True where an option exists; the others get no gradient
    label_B         (B,) index of the right option
    num_items       questions of the whole optimizer step; by default those of this batch
    weights_B       (B,) what each question's loss is multiplied by; by default nothing

and raise ValueError where a label points at an option that does not exist.
"""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .targets import OWN, target_loss

MARGIN = 1.0


def cross_entropy(
    scores_BO: Tensor,
    option_mask_BO: Tensor,
    label_B: Tensor,
    num_items=None,
    weights_B: Tensor | None = None,
    label_smoothing=0.0,
) -> Tensor:
    """Return the cross-entropy of a softmax over each question's options, in nats per question.

    With `label_smoothing` e the target is 1 - e for the right option, and e spread over all.
    """
    _check(option_mask_BO, label_B)
    log_probabilities = scores_BO.masked_fill(~option_mask_BO, float("-inf")).log_softmax(-1)
    total = _total(-log_probabilities.gather(1, label_B[:, None]).squeeze(1), weights_B)
    if label_smoothing:
        each_B = log_probabilities.masked_fill(~option_mask_BO, 0).sum(-1) / option_mask_BO.sum(-1)
        total = (1 - label_smoothing) * total - label_smoothing * _total(each_B, weights_B)
    return _mean(total, label_B, num_items)


def binary(
    scores_BO: Tensor, option_mask_BO: Tensor, label_B: Tensor, num_items=None, weights_B=None
) -> Tensor:
    """Return the mean binary cross-entropy of a question's options, each judged right or wrong.

    Source: TEAM (arXiv 2210.16495), section 3.
    """
    _check(option_mask_BO, label_B)
    target_BO = F.one_hot(label_B, scores_BO.shape[1]).to(scores_BO.dtype)
    scores_BO = scores_BO.masked_fill(~option_mask_BO, 0)
    each_BO = F.binary_cross_entropy_with_logits(scores_BO, target_BO, reduction="none")
    each_B = each_BO.masked_fill(~option_mask_BO, 0).sum(-1) / option_mask_BO.sum(-1)
    return _mean(_total(each_B, weights_B), label_B, num_items)


def margin(
    scores_BO: Tensor, option_mask_BO: Tensor, label_B: Tensor, num_items=None, weights_B=None
) -> Tensor:
    """Return how far the wrong options are from being `MARGIN` below the right one, on average."""
    lead_BO, wrong_BO = _leads(scores_BO, option_mask_BO, label_B)
    missing_BO = (MARGIN - lead_BO).clamp(min=0).masked_fill(~wrong_BO, 0)
    each_B = missing_BO.sum(-1) / wrong_BO.sum(-1).clamp(min=1)
    return _mean(_total(each_B, weights_B), label_B, num_items)


def listwise(
    scores_BO: Tensor, option_mask_BO: Tensor, label_B: Tensor, num_items=None, weights_B=None
) -> Tensor:
    """Return 1 minus the smoothed NDCG of the options ranked by score, one being relevant.

    The right option's rank is 1 plus, for every rival, the sigmoid of the rival's lead.
    Source: Qin, Liu and Li, A general approximation framework for direct optimization of
    information retrieval measures (2010), ApproxNDCG.
    """
    lead_BO, wrong_BO = _leads(scores_BO, option_mask_BO, label_B)
    rank_B = 1 + (-lead_BO).sigmoid().masked_fill(~wrong_BO, 0).sum(-1)
    each_B = 1 - 1 / torch.log2(1 + rank_B)
    return _mean(_total(each_B, weights_B), label_B, num_items)


LOSSES = {one.__name__: one for one in (cross_entropy, binary, margin, listwise)}


def head_loss(settings, *batch, **gold) -> Tensor:
    """Return the loss that `HeadSettings` name; of `batch` and `gold` see `mixed_loss`."""
    own = LOSSES[settings.loss]
    if settings.label_smoothing:
        own = functools.partial(cross_entropy, label_smoothing=settings.label_smoothing)
    return mixed_loss(own, *batch, **gold)


def mixed_loss(
    own: Callable[..., Tensor],
    scores_BO: Tensor,
    option_mask_BO: Tensor,
    label_B: Tensor,
    num_items=None,
    *,
    targets: Tensor | None = None,
    losses: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the loss of a batch whose questions each have their own, a mean over questions.

    Args:
        own: one of `LOSSES`, for the questions that have no other.
        scores_BO, option_mask_BO, label_B, num_items: see above; where a question has no one right
            option, its label is that of any that exists.
        targets, weights: (B, O), (B,) see `heads.targets`.
        losses: (B,) a place in `heads.targets.TARGET_LOSSES`, or `OWN`; None: `own` for all.
    """
    if losses is None:
        return own(scores_BO, option_mask_BO, label_B, num_items)
    weights = torch.ones_like(targets[:, 0]) if weights is None else weights
    of_own = weights * (losses == OWN)
    loss = own(scores_BO, option_mask_BO, label_B, num_items, of_own)
    return loss + target_loss(scores_BO, option_mask_BO, targets, losses, weights, num_items)


def _leads(scores_BO, option_mask_BO, label_B) -> tuple[Tensor, Tensor]:
    """Return how far the right option is ahead of each, and which are its rivals."""
    _check(option_mask_BO, label_B)
    scores_BO = scores_BO.masked_fill(~option_mask_BO, 0)
    right_B1 = label_B[:, None]
    wrong_BO = option_mask_BO.scatter(1, right_B1, False)
    return scores_BO.gather(1, right_B1) - scores_BO, wrong_BO


def _check(option_mask_BO: Tensor, label_B: Tensor) -> None:
    inside = ((label_B >= 0) & (label_B < option_mask_BO.shape[1])).all()
    if not inside or not option_mask_BO.gather(1, label_B[:, None]).all():
        raise ValueError("a gold label points at a padded option.")


def _total(each_B: Tensor, weights_B: Tensor | None) -> Tensor:
    return (each_B if weights_B is None else each_B * weights_B).sum()


def _mean(total: Tensor, label_B: Tensor, num_items) -> Tensor:
    return total / (len(label_B) if num_items is None else num_items)
