"""Training objectives over the scores of a question's options."""

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(
    scores_BO: Tensor, option_mask_BO: Tensor, label_B: Tensor, num_items=None
) -> Tensor:
    """Return the cross-entropy of a softmax over each question's options, in nats per question.

    Args:
        scores_BO: (B, O) scores.
        option_mask_BO: (B, O) True where an option exists; the others get probability 0.
        label_B: (B,) index of the right option.
        num_items: questions of the whole optimizer step, where gradients accumulate; by default
            those of this batch.

    Raises:
        ValueError: a label points at an option that does not exist.
    """
    if not option_mask_BO.gather(1, label_B[:, None]).all():
        raise ValueError("a gold label points at a padded option.")
    scores_BO = scores_BO.masked_fill(~option_mask_BO, float("-inf"))
    total = F.cross_entropy(scores_BO, label_B, reduction="sum")
    return total / (len(label_B) if num_items is None else num_items)
