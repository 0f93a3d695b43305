"""How the scalar head starts."""

from torch import nn


def zeros(head: nn.Linear) -> None:
    """Start at 0: every option is worth the same, and training moves the head first.

    While the head is 0 no gradient reaches the decoder; the first optimizer step ends that.
    It beat a normal start (standard deviation 0.02) on small data and adds no seed of its own.
    """
    nn.init.zeros_(head.weight)
