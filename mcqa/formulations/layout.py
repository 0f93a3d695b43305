"""The order in which a question's options are laid out for the model: always the same one.

No option sees a sibling, so its score does not depend on where in the batch it stands, except for
rounding: in bfloat16 that alone moves a logit by up to a tenth, enough to turn round a close
choice. So the options are laid out by their tokens, in whatever order they were given, and each
takes its score from there. Options of the same tokens share one score.

The trap this avoids: a prompt that does not list the options could still answer by their order.
"""

from collections.abc import Sequence

Tokens = tuple[int, ...]


def lay_out(continuations: Sequence[Tokens]) -> tuple[list[Tokens], list[int]]:
    """Return one question's options in the order of their tokens, and the place each has there.

    >>> lay_out([(7, 2), (5,), (7, 2)])
    ([(5,), (7, 2), (7, 2)], [1, 0, 1])
    """
    ordered = sorted(continuations)
    return ordered, [ordered.index(tokens) for tokens in continuations]
