"""The order of training: sentences of like length together, known from seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

_BATCHES_A_POOL = 50


class LengthGroupedSampler(Sampler[int]):
    """Shuffles, sorts pools of some batches by length, shuffles the batches.

    `batch` is that of a whole optimiser step: one process or several see the same steps in the same order.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """The data loader calls this: another epoch, another order; the same epoch, the same order."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        pool = self.batch * _BATCHES_A_POOL
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        grouped = [index for part in pools for index in sorted(part, key=lambda i: -self.lengths[i])]
        batches = [grouped[start : start + self.batch] for start in range(0, len(grouped), self.batch)]
        full, rest = batches[: len(grouped) // self.batch], batches[len(grouped) // self.batch :]
        for number in torch.randperm(len(full), generator=generator).tolist():
            yield from full[number]
        for batch in rest:
            yield from batch
