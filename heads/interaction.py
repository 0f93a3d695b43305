"""Let an option see its rivals: one self-attention layer over the vectors of a question's options.

It has no positions, so the scores still follow the options when their order changes. It adds to
the vectors and its last matrix starts at 0: at first every option is scored alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import initialization

from .alignment import aligned

ATTENTION_HEADS = 4
WIDTH = 256
DEVIATION = 0.02


class OptionInteraction(nn.Module):
    """Attend from every option of a question to all of them.

    The weights are plain parameters, not `nn.Linear`: quantizers and LoRA pass them by.
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
