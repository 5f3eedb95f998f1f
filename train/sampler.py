"""The order of training: sentences of like length together, known from seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import torch
from torch.utils.data import Sampler

_BATCHES_A_POOL = 50


class LengthGroupedSampler(Sampler[int]):
    """Shuffles, sorts pools of some batches by length, shuffles the batches; the last batch is filled from the first.

    `batch` is that of a whole optimiser step, and every step is full: one process or several see the same steps.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """The data loader calls this: another epoch, another order; the same epoch, the same order."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch) * self.batch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        order = list(islice(cycle(order), len(self)))
        pool = self.batch * _BATCHES_A_POOL
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        grouped = [index for part in pools for index in sorted(part, key=lambda i: -self.lengths[i])]
        batches = [grouped[start : start + self.batch] for start in range(0, len(grouped), self.batch)]
        for number in torch.randperm(len(batches), generator=generator).tolist():
            yield from batches[number]
