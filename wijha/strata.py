"""Random sentences of a classified archive within strata: what `wijha sample` draws.

There is a stratum for each stance of each topic, a sentence being in that of the rarest that it has; one of the
sentences without a topic, and one of those in which the model is not sure of that. A stratum gets a share by the root
of its size (power allocation: Bankier 1988), so that rare stances are read often, and those without a topic most.

Chance is a number of each sentence by its text and the seed (permanent random numbers: Ohlsson 1995), so that a larger
sample, or one of an archive that has grown, holds much of an earlier one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wijha.archive_rows import ArchiveRows
from wijha.design import Stratum

LEAST = 10
"""Sentences of each stratum, where it has as many."""
_SURE = 0.9  # score; a convention, any other bound gives right counts too

_TEXT = "md5_number_lower(the_text)"
Pattern = tuple[Any, ...]
"""What the model said of each topic, and whether it is sure where it said that there is none."""


class Chosen(NamedTuple):
    """A sentence that was drawn."""

    text: str
    stratum: int
    """Number of its stratum."""
    said: dict[str, str]
    """Topic -> label that the model gave it; "" where it was not asked."""


def drawn(archive: ArchiveRows, rows: int, seed: int) -> tuple[list[Stratum], list[Chosen]]:
    """The strata of the selected sentences, and `rows` of these or `LEAST` of each stratum where that is more, in the
    order of reading: every beginning holds of each stratum those with its lowest numbers. Both empty without any."""
    if not (patterns := _patterns(archive)):
        return [], []
    strata, places = _strata(patterns, archive.chosen, archive.schema.absent)
    given = allocated([stratum.sentences for stratum in strata], rows)
    entries: list[list[tuple[int, int, Pattern]]] = [[] for _ in given]
    for *pattern, numbered in archive.run(_numbered(archive, seed, max(given)), archive.values).fetchall():
        entries[places[tuple(pattern)]] += [(dice, text, tuple(pattern)) for dice, text in numbered]
    chosen = []
    for place, number in enumerate(given):
        for rank, (dice, text, pattern) in enumerate(sorted(entries[place])[:number]):
            chosen.append(((rank + random.Random(dice).random()) / number, text, place, pattern))
    texts = _texts(archive, [text for _, text, *_ in chosen])
    return strata, [
        Chosen(texts[text], place, dict(zip(archive.chosen, pattern, strict=False)))  # it ends with whether it is sure
        for _, text, place, pattern in sorted(chosen)
    ]


def _pattern(archive: ArchiveRows) -> str:
    """A row's pattern in SQL, its parts as p0, p1 ..."""
    stances = [f"coalesce({archive.stances[topic]}, '')" for topic in archive.chosen]
    scores = [f"TRY_CAST({archive.scores[topic]} AS DOUBLE)" for topic in archive.chosen if topic in archive.scores]
    parts = [*stances, f"least({', '.join([*scores, '1.0'])}) >= {_SURE}"]
    return ", ".join(f"{part} AS p{place}" for place, part in enumerate(parts))


def _where(archive: ArchiveRows) -> str:
    """The selected rows with a text in which the model was asked of one of the chosen topics."""
    return f"{archive.where} AND trim(the_text) <> '' AND ({' OR '.join(map(archive.read, archive.chosen))})"


def _patterns(archive: ArchiveRows) -> dict[Pattern, int]:
    """How many of the selected rows have each pattern."""
    query = f"SELECT {_pattern(archive)}, count(*) FROM archive WHERE {_where(archive)} GROUP BY ALL ORDER BY ALL"
    return {tuple(pattern): count for *pattern, count in archive.run(query, archive.values).fetchall()}


def _strata(
    patterns: Mapping[Pattern, int], topics: Sequence[str], absent: str
) -> tuple[list[Stratum], dict[Pattern, int]]:
    """The strata, and the number of each pattern's."""
    counts: Counter[tuple[str, str]] = Counter()
    for (*said, _), number in patterns.items():
        counts.update({stance: number for stance in zip(topics, said, strict=True) if stance[1] not in (absent, "")})
    rarest = sorted(counts, key=lambda stance: (counts[stance], stance))
    names = [*map("/".join, rarest), "no topic, not sure", "no topic"]
    strata = [Stratum(name, 0, {topic: {} for topic in topics}) for name in names]
    places = {}
    for pattern, number in patterns.items():
        *said, sure = pattern
        stances = list(zip(topics, said, strict=True))
        place = min((rarest.index(stance) for stance in stances if stance in counts), default=len(rarest) + sure)
        places[pattern] = place
        strata[place].sentences += number
        for topic, label in stances:
            if label:
                tally = strata[place].said[topic]
                tally[label] = tally.get(label, 0) + number
    return strata, places


def allocated(sizes: Sequence[int], rows: int) -> list[int]:
    """How many of `rows` each stratum gives: all or `LEAST` of it first, then one at a time to where the root of the
    size is most above what it gives."""
    given = [min(size, LEAST) for size in sizes]
    while sum(given) < min(rows, sum(sizes)):
        open_ones = [place for place, size in enumerate(sizes) if given[place] < size]
        given[max(open_ones, key=lambda place: sizes[place] ** 0.5 / given[place])] += 1
    return given


def _numbered(archive: ArchiveRows, seed: int, most: int) -> str:
    """SQL: of each pattern the `most` rows with the lowest numbers, each beside the checksum of its text; rows of one
    text have a number each."""
    parts = ", ".join(f"p{place}" for place in range(len(archive.chosen) + 1))
    dice = f"md5_number_lower(concat_ws(' ', {seed}, text, again))"
    return f"""
        WITH texts AS (
            SELECT {_pattern(archive)}, {_TEXT} AS text, count(*) AS rows
            FROM archive WHERE {_where(archive)} GROUP BY ALL
        ), each AS (SELECT {parts}, text, unnest(range(rows)) AS again FROM texts)
        SELECT {parts}, min(row({dice}, text), {most}) FROM each GROUP BY ALL ORDER BY ALL"""


def _texts(archive: ArchiveRows, checksums: Sequence[int]) -> dict[int, str]:
    """Checksum -> text of the rows that were drawn."""
    query = (
        f"SELECT {_TEXT} AS text, any_value(the_text) FROM archive WHERE {_where(archive)} AND list_contains(?, text)"
    )
    return dict(archive.run(f"{query} GROUP BY ALL", [*archive.values, list(checksums)]).fetchall())
