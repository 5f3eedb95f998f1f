"""The order of training: like lengths together, another order every epoch, every step full."""

from __future__ import annotations

import random

from train.sampler import LengthGroupedSampler

LENGTHS = random.Random(0).sample(range(100), 100)


def test_a_batch_holds_neighbours_in_length_and_batches_are_shuffled() -> None:
    order = list(LengthGroupedSampler(LENGTHS, 4, 13))
    batches = [[LENGTHS[index] for index in order[start : start + 4]] for start in range(0, 100, 4)]
    shortest = [min(batch) for batch in batches]
    assert [sorted(batch) for batch in batches] == [list(range(least, least + 4)) for least in shortest]
    assert sorted(shortest) == list(range(0, 100, 4)) and shortest not in (sorted(shortest), sorted(shortest)[::-1])


def test_pools_are_drawn_anew_so_that_other_sentences_meet() -> None:
    many = random.Random(0).sample(range(1_000), 1_000)
    sampler, met = LengthGroupedSampler(many, 4, 13), []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        order = list(sampler)
        met.append({frozenset(order[start : start + 4]) for start in range(0, 1_000, 4)})
    assert len(met[0] & met[1]) < 10


def test_the_order_is_known_from_seed_and_epoch_and_differs_with_either() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = LengthGroupedSampler(LENGTHS, 4, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(13, 0) == order(13, 0) == list(LengthGroupedSampler(LENGTHS, 4, 13))
    assert order(13, 1) == order(13, 1)
    assert len({tuple(order(seed, epoch)) for seed in (13, 14) for epoch in range(5)}) == 10


def test_the_last_batch_is_filled_and_no_sentence_left_out() -> None:
    sampler = LengthGroupedSampler(LENGTHS[:10], 4, 13)
    order = list(sampler)
    assert len(order) == len(sampler) == 12 and set(order) == set(range(10))
