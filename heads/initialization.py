"""How a head starts.

`zero`: every option is worth the same, and training moves the score's weights first. While they
are 0 no gradient reaches the decoder; the first optimizer step ends that. It beat a normal start
(standard deviation 0.02) on small data and adds no seed of its own.

`words`: an option's score is how much rather the decoder would go on with one word than another
(" Yes" and " No"), in logits, before any training.

transformers' own functions are used because they leave alone what came from a checkpoint.
"""

from torch import Tensor
from transformers import initialization

from .interaction import OptionInteraction
from .option_head import OptionHead

DEVIATION = 0.02


def start_head(head: OptionHead, kind: str, word_rows_2D: Tensor | None = None) -> None:
    """Fill what no checkpoint brought: `zero`, `normal` or `words`.

    Args:
        head: its own parameters; a part of it starts with `start_interaction`.
        kind: see above.
        word_rows_2D: rows of the LM head for the word in favour and the word against.
    """
    if kind == "zero":
        initialization.zeros_(head.weight)
    elif kind == "normal":
        initialization.normal_(head.weight, std=DEVIATION)
    else:
        favour_D, against_D = word_rows_2D.float()
        initialization.copy_(head.weight, (favour_D - against_D)[None])
    if head.pooling == "attention":
        initialization.zeros_(head.query)  # the mean over the span


def start_interaction(layer: OptionInteraction) -> None:
    """Start so that the layer adds nothing at first."""
    initialization.normal_(layer.into, std=DEVIATION)
    initialization.zeros_(layer.back)
