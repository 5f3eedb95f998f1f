"""Length-sorted, token-budgeted batches out of a bounded window; the order of the input is restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WINDOW = 4_096
TOKENS_PER_BATCH = 4_096


def windows(items: Iterable[Item], size: int = WINDOW) -> Iterator[list[Item]]:
    """Lists of at most `size` items, in order: all that is ever held in memory."""
    iterator = iter(items)
    while window := list(islice(iterator, size)):
        yield window


def batches(lengths: Sequence[int], tokens: int = TOKENS_PER_BATCH) -> Iterator[list[int]]:
    """Indices in batches of like length whose padded size stays within `tokens` (a longer item goes alone)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        longest = lengths[batch[0]] if batch else lengths[index]
        if batch and longest * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def map_batched(
    items: Sequence[Item],
    lengths: Sequence[int],
    compute: Callable[[list[Item]], Iterable[Result]],
    tokens: int = TOKENS_PER_BATCH,
) -> list[Result]:
    """`compute` over batches of like length; one result an item, in the order of the items."""
    results: dict[int, Result] = {}
    for batch in batches(lengths, tokens):
        results.update(zip(batch, compute([items[i] for i in batch]), strict=True))
    return [results[i] for i in range(len(items))]
