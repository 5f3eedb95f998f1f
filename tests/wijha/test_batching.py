"""Batches: every item once, within the budget, order restored."""

from __future__ import annotations

import random

import pytest

from wijha.batching import batches, map_batched, windows


@pytest.mark.parametrize("seed", range(5))
def test_every_index_once_and_within_budget(seed: int) -> None:
    dice = random.Random(seed)
    lengths = [dice.randint(1, 80) for _ in range(500)]
    made = list(batches(lengths, tokens=256, step=0))
    assert sorted(index for batch in made for index in batch) == list(range(500))
    assert all(max(lengths[i] for i in batch) * len(batch) <= 256 for batch in made)


@pytest.mark.parametrize("step", [4, 16])
def test_with_a_step_a_batch_holds_rows_of_one_width(step: int) -> None:
    dice = random.Random(7)
    lengths = [dice.randint(1, 80) for _ in range(500)]
    made = list(batches(lengths, tokens=512, step=step))
    assert sorted(index for batch in made for index in batch) == list(range(500))
    widths = [{-(-lengths[index] // step) for index in batch} for batch in made]
    assert all(max(each) * step * len(batch) <= 512 for each, batch in zip(widths, made, strict=True))
    assert all(len(each) == 1 for each in widths) and sum(map(len, widths)) > len(set(map(max, widths)))


def test_an_item_over_the_budget_goes_alone() -> None:
    assert list(batches([5, 900, 5], tokens=100, step=0)) == [[1], [0, 2]]
    assert list(batches([], tokens=100, step=0)) == []


def test_order_is_restored() -> None:
    items = ["aaa", "b", "cc", "dddd"]
    found = map_batched(items, [len(i) for i in items], lambda batch: [i.upper() for i in batch], 6, 0, 1)
    assert found == ["AAA", "B", "CC", "DDDD"]


def test_a_compute_that_loses_a_row_is_noticed() -> None:
    with pytest.raises(ValueError, match="zip"):
        map_batched(["a", "b"], [1, 1], lambda batch: batch[:-1], 6, 0, 1)


def test_windows_are_bounded_and_lazy() -> None:
    made = windows(iter(range(10)), size=4)
    assert next(made) == [0, 1, 2, 3]
    assert list(made) == [[4, 5, 6, 7], [8, 9]]
