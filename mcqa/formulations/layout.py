"""The order in which a question's options are laid out for the model: always the same one.

No option sees a sibling, but rounding depends on where in the batch it stands: in bfloat16 that
moves a logit by up to a tenth, and a prompt that does not list the options could still answer by
their order. So they are laid out by their tokens; options of the same tokens share one score.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from heads.branching import BranchedBatch, pack
from mcqa.prompting.encoding import EncodedQuestion


def score_in_order(
    score: Callable[[BranchedBatch], Tensor],
    prefixes: Sequence[Sequence[int]],
    batch: Sequence[EncodedQuestion],
) -> list[list[float]]:
    """Return the scores of each question's options, in the order that they have there.

    Args:
        score: returns (B, O) scores of the batch that has them in the order of their tokens.
        prefixes: what stands before the options of each question.
    """
    ordered = [sorted(encoded.continuations) for encoded in batch]
    scores_BO = score(pack(prefixes, ordered)).tolist()
    return [
        [scores[laid_out.index(tokens)] for tokens in encoded.continuations]
        for scores, laid_out, encoded in zip(scores_BO, ordered, batch, strict=True)
    ]
