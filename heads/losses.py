"""Training objectives over the scores of a question's options.

Each is a mean over questions, which count the same however many options they have. They take

    scores_BO       (B, O) scores
    option_mask_BO  (B, O) True where an option exists; the others get no gradient
    label_B         (B,) index of the right option
    num_items       questions of the whole optimizer step; by default those of this batch

and raise ValueError where a label points at an option that does not exist.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN = 1.0


def cross_entropy(
    scores_BO: Tensor, option_mask_BO: Tensor, label_B: Tensor, num_items=None, label_smoothing=0.0
) -> Tensor:
    """Return the cross-entropy of a softmax over each question's options, in nats per question.

    With `label_smoothing` e the target is 1 - e for the right option, and e spread over all.
    """
    _check(option_mask_BO, label_B)
    log_probabilities = scores_BO.masked_fill(~option_mask_BO, float("-inf")).log_softmax(-1)
    total = -log_probabilities.gather(1, label_B[:, None]).sum()
    if label_smoothing:
        each = log_probabilities.masked_fill(~option_mask_BO, 0).sum(-1) / option_mask_BO.sum(-1)
        total = (1 - label_smoothing) * total - label_smoothing * each.sum()
    return _mean(total, label_B, num_items)


def binary(scores_BO: Tensor, option_mask_BO: Tensor, label_B: Tensor, num_items=None) -> Tensor:
    """Return the mean binary cross-entropy of a question's options, each judged right or wrong.

    Source: TEAM (arXiv 2210.16495), section 3.
    """
    _check(option_mask_BO, label_B)
    target_BO = F.one_hot(label_B, scores_BO.shape[1]).to(scores_BO.dtype)
    scores_BO = scores_BO.masked_fill(~option_mask_BO, 0)
    each_BO = F.binary_cross_entropy_with_logits(scores_BO, target_BO, reduction="none")
    total = (each_BO.masked_fill(~option_mask_BO, 0).sum(-1) / option_mask_BO.sum(-1)).sum()
    return _mean(total, label_B, num_items)


def margin(scores_BO: Tensor, option_mask_BO: Tensor, label_B: Tensor, num_items=None) -> Tensor:
    """Return how far the wrong options are from being `MARGIN` below the right one, on average."""
    lead_BO, wrong_BO = _leads(scores_BO, option_mask_BO, label_B)
    missing_BO = (MARGIN - lead_BO).clamp(min=0).masked_fill(~wrong_BO, 0)
    return _mean((missing_BO.sum(-1) / wrong_BO.sum(-1).clamp(min=1)).sum(), label_B, num_items)


def listwise(scores_BO: Tensor, option_mask_BO: Tensor, label_B: Tensor, num_items=None) -> Tensor:
    """Return 1 minus the smoothed NDCG of the options ranked by score, one being relevant.

    The right option's rank is 1 plus, for every rival, the sigmoid of the rival's lead.
    Source: Qin, Liu and Li, A general approximation framework for direct optimization of
    information retrieval measures (2010), ApproxNDCG.
    """
    lead_BO, wrong_BO = _leads(scores_BO, option_mask_BO, label_B)
    rank_B = 1 + (-lead_BO).sigmoid().masked_fill(~wrong_BO, 0).sum(-1)
    return _mean((1 - 1 / torch.log2(1 + rank_B)).sum(), label_B, num_items)


LOSSES = {one.__name__: one for one in (cross_entropy, binary, margin, listwise)}


def head_loss(settings, scores_BO, option_mask_BO, label_B, num_items) -> Tensor:
    """Return the loss that `HeadSettings` name."""
    arguments = scores_BO, option_mask_BO, label_B, num_items
    if settings.label_smoothing:
        return cross_entropy(*arguments, settings.label_smoothing)
    return LOSSES[settings.loss](*arguments)


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


def _mean(total: Tensor, label_B: Tensor, num_items) -> Tensor:
    return total / (len(label_B) if num_items is None else num_items)
