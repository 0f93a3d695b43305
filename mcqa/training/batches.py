"""The order of the training questions, and each process's share of every batch.

An epoch's order depends on the seed and the epoch alone: not on what else draws random numbers,
how often training was interrupted, or how many processes there are. All of them go through the
same batches, of which each takes every Nth question; so N processes take the steps that one process
takes with N times the batch size.

The trap: the last batch may have fewer questions than there are processes, and each of them must
come along for the gradients to be added up. A share may therefore be empty; see `RecipeTrainer`.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices


class SharedBatches:
    """Yield one process's share of each batch; questions of a batch are of like length.

    Args:
        lengths: of the questions, in tokens.
        batch_size: questions of a share.
        accumulation: how many batches in a row should be of like length.
        seed: of the order.
        count: how many processes there are.
        index: which of them this is.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        *,
        accumulation: int = 1,
        seed: int = 0,
        count: int = 1,
        index: int = 0,
    ):
        self.lengths = list(lengths)
        self.size = batch_size * count
        self.accumulation = accumulation
        self.seed = seed
        self.count, self.index = count, index
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.lengths) / self.size)

    def __iter__(self) -> Iterator[list[int]]:
        chance = torch.Generator().manual_seed(self.seed)
        for _ in range(self.epoch + 1):
            # A data loader draws a number of its own first; so orders stay those of older runs.
            torch.empty((), dtype=torch.int64).random_(generator=chance)
            alike = self.size * self.accumulation
            order = get_length_grouped_indices(self.lengths, alike, generator=chance)
        for start in range(0, len(order), self.size):
            yield order[start : start + self.size][self.index :: self.count]
