"""The head: from the decoder's hidden states to one float32 score per option.

It is one module, so that it is trained, saved and loaded as one. It stays float32 whatever the
decoder is, and its weights are plain parameters and not `nn.Linear`, which quantizers replace and
LoRA wraps: so no list of exceptions has to name it, also in checkpoints quantized by others.
Scores are sums of elementwise products, which round alike everywhere (`heads.alignment`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import initialization

from .alignment import aligned
from .branching import BranchedBatch
from .pooling import attention_of_span, last_token, mean_of_span
from .settings import HeadSettings

ATTENTION_HEADS = 4
WIDTH = 256
DEVIATION = 0.02


class OptionInteraction(nn.Module):
    """One self-attention layer over the vectors of a question's options: each sees its rivals.

    It has no positions, so the scores still follow the options when their order changes. It adds to
    the vectors and its last matrix starts at 0: at first every option is scored alone.
    """

    def __init__(self, hidden_size: int):
        super().__init__()
        width = max(min(hidden_size, WIDTH) // ATTENTION_HEADS, 1) * ATTENTION_HEADS
        self.into = nn.Parameter(torch.empty(3 * width, hidden_size, dtype=torch.float32))
        self.back = nn.Parameter(torch.empty(hidden_size, width, dtype=torch.float32))

    def start(self) -> None:
        """Fill what no checkpoint brought, so that the layer adds nothing at first."""
        initialization.normal_(self.into, std=DEVIATION)
        initialization.zeros_(self.back)

    def forward(self, vectors_BOD: Tensor, option_mask_BO: Tensor) -> Tensor:
        """Return (B, O, D) vectors that have seen their rivals; absent options are not seen."""
        n_questions, n_options, size = vectors_BOD.shape
        projected = F.linear(F.layer_norm(vectors_BOD, (size,)), aligned(self.into))
        split = projected.view(n_questions, n_options, 3, ATTENTION_HEADS, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        absent = torch.zeros_like(option_mask_BO, dtype=vectors_BOD.dtype)
        absent = absent.masked_fill(~option_mask_BO, torch.finfo(vectors_BOD.dtype).min)
        seen = F.scaled_dot_product_attention(query, key, value, absent[:, None, None])
        return vectors_BOD + F.linear(seen.transpose(1, 2).flatten(2), aligned(self.back))


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
            kind: `zero`: no gradient reaches the decoder before the first step. It beat `normal` on
                small data and adds no seed. `words`: an option is worth how much rather the decoder
                would go on with one word than another, in logits.
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
            spans, fork = batch.option_spans, batch.fork
            if self.pooling == "last":
                vectors_BOD = last_token(hidden_ND, spans).float()
            elif self.pooling == "mean":
                vectors_BOD = mean_of_span(hidden_ND, spans, fork)
            else:
                vectors_BOD = attention_of_span(hidden_ND, spans, fork, self.query)
            if self.interaction is not None:
                vectors_BOD = self.interaction(vectors_BOD, batch.option_mask)
            scores_BO = (vectors_BOD * self.weight).sum(-1)
        return scores_BO.masked_fill(~batch.option_mask, float("-inf"))

    def _apply(self, fn, recurse=True):
        """Move between devices, but keep float32: `model.half()` is meant for the decoder."""

        def move(tensor):
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(move, recurse)
