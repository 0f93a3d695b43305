"""The head: from the decoder's hidden states to one float32 score per option.

It is one module, so that it is trained, saved and loaded as one. It stays float32 whatever the
decoder is, and its weights are plain parameters and not `nn.Linear`, which quantizers replace and
LoRA wraps: so no list of exceptions has to name it, also in checkpoints quantized by others.
Scores are sums of elementwise products: a matrix-vector product rounds by where the weight lies in
memory and by how many options there are (`heads.alignment`).
"""

import torch
from torch import Tensor, nn
from transformers import initialization

from .branching import BranchedBatch
from .interaction import DEVIATION, OptionInteraction
from .pooling import attention_of_span, last_token, mean_of_span
from .settings import HeadSettings


class OptionHead(nn.Module):
    """Pool an option's tokens, let options see each other where wanted, and score them."""

    def __init__(self, hidden_size: int, settings: HeadSettings):
        super().__init__()
        self.pooling = settings.pooling
        self.weight = nn.Parameter(torch.empty(1, hidden_size, dtype=torch.float32))
        if settings.pooling == "attention":
            self.query = nn.Parameter(torch.empty(hidden_size, dtype=torch.float32))
        has_interaction = settings.interaction == "attention"
        self.interaction = OptionInteraction(hidden_size) if has_interaction else None

    def start(self, kind: str, word_rows_2D: Tensor | None = None) -> None:
        """Fill what no checkpoint brought; a part of the head starts by itself.

        Args:
            kind: `zero`: every option is worth the same, and training moves the score's weights
                first, for no gradient reaches the decoder before the first step. It beat `normal`
                on small data and adds no seed. `words`: an option is worth how much rather the
                decoder would go on with one word than another, in logits.
            word_rows_2D: rows of the LM head for the word in favour and the word against.
        """
        if kind == "zero":
            initialization.zeros_(self.weight)
        elif kind == "normal":
            initialization.normal_(self.weight, std=DEVIATION)
        else:
            favour_D, against_D = word_rows_2D.float()
            initialization.copy_(self.weight, (favour_D - against_D)[None])
        if self.pooling == "attention":
            initialization.zeros_(self.query)  # the mean over the span

    def forward(self, hidden_ND: Tensor, batch: BranchedBatch) -> Tensor:
        """Return (B, O) float32 scores, -inf where an option does not exist."""
        with torch.autocast(hidden_ND.device.type, enabled=False):
            vectors_BOD = self._pool(hidden_ND, batch.option_spans, batch.fork).float()
            if self.interaction is not None:
                vectors_BOD = self.interaction(vectors_BOD, batch.option_mask)
            scores_BO = (vectors_BOD * self.weight).sum(-1)
        return scores_BO.masked_fill(~batch.option_mask, float("-inf"))

    def _pool(self, hidden_ND: Tensor, option_spans: Tensor, fork: Tensor) -> Tensor:
        if self.pooling == "last":
            return last_token(hidden_ND, option_spans)
        if self.pooling == "mean":
            return mean_of_span(hidden_ND, option_spans, fork)
        return attention_of_span(hidden_ND, option_spans, fork, self.query)

    def _apply(self, fn, recurse=True):
        """Move between devices, but keep float32: `model.half()` is meant for the decoder."""

        def move(tensor):
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(move, recurse)
