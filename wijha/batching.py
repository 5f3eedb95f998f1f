"""Length-sorted, token-budgeted batches out of a bounded window; the order of the input is restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WINDOW = 4_096


def windows(items: Iterable[Item], size: int = WINDOW) -> Iterator[list[Item]]:
    """Lists of at most `size` items, in order: all that is ever held in memory."""
    iterator = iter(items)
    while window := list(islice(iterator, size)):
        yield window


def batches(lengths: Sequence[int], tokens: int, step: int) -> Iterator[list[int]]:
    """Indices in batches of like length whose padded size stays within `tokens` (a longer item goes alone).

    With `step`, a batch holds only items whose length is the same when rounded up to a multiple of it.
    """
    widths = [-(-length // step) * step for length in lengths] if step else lengths
    batch: list[int] = []
    for index in sorted(range(len(widths)), key=lambda i: (-widths[i], i)):
        longest = widths[batch[0]] if batch else widths[index]
        if batch and (longest * (len(batch) + 1) > tokens or (step and widths[index] != longest)):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def map_batched(
    items: Sequence[Item],
    lengths: Sequence[int],
    compute: Callable[[list[Item]], Iterable[Result]],
    tokens: int,
    step: int,
    workers: int,
) -> list[Result]:
    """`compute` over batches of like length; one result an item, in the order of the items.

    `workers` batches are computed at a time, each in a thread of its own.
    """
    made = list(batches(lengths, tokens, step))
    inputs = ([items[i] for i in batch] for batch in made)
    results: dict[int, Result] = {}
    with ThreadPoolExecutor(workers) as pool:  # it starts no thread before it is given something
        computed = map(compute, inputs) if workers == 1 or len(made) == 1 else pool.map(compute, inputs)
        for batch, values in zip(made, computed, strict=True):
            results.update(zip(batch, values, strict=True))
    return [results[i] for i in range(len(items))]
