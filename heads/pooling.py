"""From the hidden states of an option's tokens to one vector per option."""

from torch import Tensor


def last_token(hidden_ND: Tensor, option_spans: Tensor) -> Tensor:
    """Return (B, O, D): the state of each option's last token, which has seen all of it.

    Args:
        hidden_ND: (R * T, D) flattened hidden states of a batch.
        option_spans: (B, O, 2) half-open token ranges; an absent option's is empty and gets the
            state of an arbitrary token, to be masked by the caller.
    """
    return hidden_ND[(option_spans[..., 1] - 1).clamp(min=0)]
