"""The data of a run: the order of its questions, and each process's share of every batch.

An epoch's order depends on the seed and the epoch alone; the options may be shuffled too, see
`mcqa.training.shuffling`. Of every batch each of N processes takes
every Nth question, so that they take the steps that one takes with N times the batch size. The
trap: a last batch may have nothing for a process, which must come along for the gradients to be
added up; its share is then a question without a label, see `mcqa.training.loop.loss_of`.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers.trainer_pt_utils import get_length_grouped_indices

from mcqa.formulations.objectives import IGNORED
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.system import processes

Batch = dict[str, Tensor]


def shares(
    lengths: Sequence[int], size: int, epoch=0, *, accumulation=1, seed=0, count=1, index=0
) -> list[list[int]]:
    """Return one process's share of each batch of an epoch; a batch is of questions of like length.

    Args:
        lengths: of the questions, in tokens.
        size: questions of a share.
        accumulation: how many batches in a row should be of like length.
        count, index: how many processes there are, and which of them this is.
    """
    chance, whole = torch.Generator().manual_seed(seed), size * count
    for _ in range(epoch + 1):
        # A data loader draws a number of its own first; so orders stay those of older runs.
        torch.empty((), dtype=torch.int64).random_(generator=chance)
        order = get_length_grouped_indices(lengths, whole * accumulation, generator=chance)
    starts = range(0, len(order), whole)
    return [order[start : start + whole][index::count] for start in starts]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Hold the questions of a run, and hand out this process's batches of them.

    Args:
        training, validation: encoded questions; the latter may be none.
        length: of an encoded question, the tokens that it takes.
        collate: questions -> the keyword arguments of the model's forward, `labels` among them.
        batch_size: questions of a forward pass, in each process.
        accumulation: forward passes of an optimizer step.
        of_epoch: the training questions as an epoch shows them; by default always the same. Batches
            are made by the lengths of `training` all the same.
        pin: whether batches wait in memory that a GPU can read.
    """

    training: Sequence[EncodedQuestion]
    validation: Sequence[EncodedQuestion]
    length: Callable[[EncodedQuestion], int]
    collate: Callable[[Sequence[EncodedQuestion]], Batch]
    batch_size: int
    accumulation: int = 1
    seed: int = 0
    of_epoch: Callable[[int], Sequence[EncodedQuestion]] | None = None
    pin: bool = False

    @property
    def questions_per_step(self) -> int:
        """Questions of an optimizer step, over all processes."""
        return self.batch_size * self.accumulation * processes.count()

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of an epoch; the last may have fewer batches."""
        n_batches = math.ceil(len(self.training) / (self.batch_size * processes.count()))
        return math.ceil(n_batches / self.accumulation)

    def steps(self, first: int) -> Iterator[tuple[float, list[Batch]]]:
        """Yield of each step from a first one on how many epochs it ends, and its batches."""
        lengths = list(map(self.length, self.training))
        start, skipped = divmod(first, self.steps_per_epoch)
        for epoch in itertools.count(start):
            order = self._shares(lengths, epoch, self.accumulation)
            done = skipped * self.accumulation if epoch == start else 0
            shown = self.of_epoch(epoch) if self.of_epoch else self.training
            batches = iter(self._load(shown, order[done:]))
            while step := list(itertools.islice(batches, self.accumulation)):
                done += len(step)
                yield epoch + done / len(order), step

    def validation_batches(self) -> DataLoader:
        """Return the batches of the validation questions."""
        return self._load(self.validation, self._validation_shares)

    @functools.cached_property
    def _validation_shares(self) -> list[list[int]]:
        return self._shares(list(map(self.length, self.validation)))

    def _shares(self, lengths: list[int], epoch: int = 0, accumulation: int = 1):
        how = {"accumulation": accumulation, "seed": self.seed}
        how |= {"count": processes.count(), "index": processes.index()}
        return shares(lengths, self.batch_size, epoch, **how)

    def _load(self, questions: Sequence, order: Sequence[Sequence[int]]) -> DataLoader:
        def collate(share: Sequence[EncodedQuestion]) -> Batch:
            if share:
                return self.collate(share)
            empty = self.collate([questions[0]])
            return empty | {"labels": torch.full_like(empty["labels"], IGNORED)}

        return DataLoader(
            questions,
            batch_sampler=order,
            collate_fn=collate,
            pin_memory=self.pin,
            generator=torch.Generator(),  # what it draws is nobody else's
        )
