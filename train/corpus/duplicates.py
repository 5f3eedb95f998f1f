"""Sentences that are nearly the same: candidates by MinHash, each then measured exactly.

Broder 1997, "On the resemblance and containment of documents"; the banding is datasketch's MinHashLSH.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from datasketch import MinHash, MinHashLSH

from wijha.text import normalise

THRESHOLD = 0.7
_GRAM = 5
# 32 bands of 4 rows find a pair of Jaccard 0.7 in 9,998 of 10,000 cases, one of 0.1 in 3 of 1,000.
_BANDS, _ROWS = 32, 4


def grams(text: str) -> set[str]:
    """Character 5-grams of the normalised text; the whole of it where it is shorter."""
    plain = normalise(text)
    return {plain[start : start + _GRAM] for start in range(max(1, len(plain) - _GRAM + 1))}


def near_pairs(texts: Sequence[str], threshold: float = THRESHOLD) -> Iterator[tuple[int, int, float]]:
    """(earlier, later, Jaccard of their 5-grams) of the pairs of texts at or above the threshold, in order, less the
    few that MinHash misses."""
    sets = [grams(text) for text in texts]
    hashes = MinHash.generator(
        ([gram.encode() for gram in sorted(one)] for one in sets), num_perm=_BANDS * _ROWS, hashfunc=zlib.crc32
    )
    index = MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
    for later, minhash in enumerate(hashes):
        for earlier in sorted(index.query(minhash)):
            shared = len(sets[earlier] & sets[later])
            jaccard = shared / (len(sets[earlier]) + len(sets[later]) - shared)
            if jaccard >= threshold:
                yield earlier, later, jaccard
        index.insert(later, minhash)
