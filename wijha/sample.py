"""wijha sample: sentences of a classified archive for somebody to read, so that `wijha estimate` can count without the
model's mistakes.

They are drawn at random within strata: one for each stance of each topic, a sentence being in that of the rarest that
it has; one of the sentences without a topic, and one of those in which the model is not sure of that. A stratum gets a
share by the root of its size (power allocation: Bankier 1988), so that rare stances are read often, and the many
sentences without a topic most.

Chance is a number of each sentence by its text and the seed (permanent random numbers: Ohlsson 1995), so that a larger
sample, or one of an archive that has grown, holds much of an earlier one, whose labels it can take over.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wijha.archive_rows import NAMES, USUAL, ArchiveRows, Names, Selection, add_selection, connected, selection_of
from wijha.arguments import positive
from wijha.chunks import shown
from wijha.design import Design, Drawn, Stratum, design_path, known_labels
from wijha.errors import InputError
from wijha.files import replacing, write_json
from wijha.paths import Places
from wijha.receipt import Receipt
from wijha.schema import Schema
from wijha.text import key
from wijha.writing import TARGETS, Row, encode, target_suffix

_ROWS, _SEED = 400, 13
_MOST = 1_000_000  # what DuckDB keeps of a group
_LEAST = 10  # sentences of each stratum, where it has as many
_SURE = 0.9  # score; a convention, any other bound gives right counts too
_BOM = "\ufeff"  # without it some spreadsheets show Arabic in UTF-8 as Latin letters


def add_parser(commands: Any) -> None:
    """Add `sample` to the command line's subcommands."""
    command = commands.add_parser(
        "sample",
        help="sentences to read, for `wijha estimate`",
        description="Draw sentences of files that wijha predict wrote, for somebody to label without seeing what the "
        "model said. Beside OUT stands what they were drawn from, for `wijha estimate`.",
    )
    command.add_argument("archive", metavar="PREDICTIONS", type=Path, help=".parquet, .jsonl, .csv, or a folder of one")
    command.add_argument("target", metavar="OUT", type=Path, help=".csv, .jsonl or .parquet to write the labels into")
    command.add_argument(
        "--rows",
        type=_some,
        default=_ROWS,
        help=f"how many sentences; more where {_LEAST} for each stance of each topic are (default: {_ROWS})",
    )
    command.add_argument("--seed", type=int, default=_SEED, help=f"another number draws others (default: {_SEED})")
    command.add_argument(
        "--known", type=Path, metavar="SAMPLE", help="labels of an earlier sample, taken over for what is drawn again"
    )
    add_selection(command)
    command.set_defaults(command=sample)


def _some(word: str) -> int:
    """A count of sentences that somebody might read, as the type of an argument."""
    if (rows := positive(word)) >= _MOST:
        raise argparse.ArgumentTypeError(f"expected less than {_MOST:,}, got {word}")
    return rows


def sample(arguments: argparse.Namespace) -> None:
    """wijha sample."""
    selection, names, schema = selection_of(arguments)
    settings = (arguments.rows, arguments.seed, selection, names, schema, arguments.known)
    design = draw(arguments.archive, arguments.target, *settings)
    absent, *others = design.labels
    known = sum(each.known for each in design.drawn.values())
    print(
        f"{len(design.drawn):,} of {design.sentences:,} sentences -> {arguments.target}"
        f"{f', {known:,} with the labels of {arguments.known}' if arguments.known else ''}\n"
        f"label them from the top on, as many as you can: {', '.join(others)} where a topic is there, {absent} once in "
        f"a sentence without any\nnext: wijha estimate {arguments.target}"
    )


def draw(
    source: Path,
    target: Path,
    rows: int = _ROWS,
    seed: int = _SEED,
    selection: Selection | None = None,
    names: Names = NAMES,
    schema: Schema = USUAL,
    known: Path | None = None,
) -> Design:
    """Write `rows` sentences of the archive `source`, or ten of each stratum where that is more, in random order, to
    `target`, with columns for their labels, empty but for what `known`, an earlier sample, has; and their design
    beside it.

    Raises InputError where `source` is no classified archive, no row of it is selected, `known` lacks a topic, or there
    is a file at `target` already, which may hold labels, or a sample of that name in another format, whose design would
    be replaced.
    """
    _check_target(target, source)
    selection = selection or Selection()
    with connected(source) as connection:
        archive = ArchiveRows(connection, source, selection, names, schema)
        _check_selection(archive, source)
        patterns = _patterns(archive)
        if not patterns:
            raise InputError(f"expected sentences to draw from in {source}, found none; select more of it")
        strata, places = _strata(patterns, archive.chosen, schema.absent)
        given = allocated([stratum.sentences for stratum in strata], rows)
        read = known_labels(known, archive.chosen, schema.label_names) if known else {}
        chosen = _drawn(archive, places, given, seed)
    texts = {f"s{place:04}": text for place, (text, *_) in enumerate(chosen, 1)}
    entries = [
        Drawn(key(text), place, dict(zip(archive.chosen, said, strict=True)), key(text) in read)
        for text, place, (*said, _) in chosen
    ]
    wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(selection).items()}
    receipt = _receipt(source)
    of = {
        "archive": source.resolve().name,
        "model": receipt.made_with.get("model"),
        "towards": receipt.options.get("towards"),
        **wanted,
        "seed": seed,
    }
    polar = list(schema.polar) if len(schema.polar) == 2 else []
    design = Design(of, list(schema.label_names), strata, dict(zip(texts, entries, strict=True)), polar)
    write_json(design_path(target), asdict(design))
    empty = dict.fromkeys(archive.chosen)
    _write(target, [{"id": name, "text": text, **read.get(key(text), empty)} for name, text in texts.items()])
    return design


def _receipt(source: Path) -> Receipt:
    """What the job noted that wrote the archive: beside the file or folder itself, else beside a link to it."""
    noted = Receipt.read(Places(source.resolve()))
    return noted if noted.made_with else Receipt.read(Places(source))


def _check_target(target: Path, source: Path) -> None:
    target_suffix(target)
    samples = {target}
    if design_path(target).exists():  # of a sample of this name in whichever format, or left alone by a kill
        samples |= {target.with_suffix(suffix) for suffix in TARGETS} - {source}
    for path in sorted(samples):
        if path.exists():
            raise InputError(f"expected no file at {path} yet, found one, perhaps with labels; name another")
    if source.is_dir() and source.resolve() in target.resolve().parents:
        raise InputError(f"expected a place outside of {source}, which it would be part of, got {target}; name another")
    target.parent.mkdir(parents=True, exist_ok=True)


def _write(target: Path, rows: list[Row]) -> None:
    suffix = target_suffix(target)
    with replacing(target) as file:
        file.write((_BOM.encode() if suffix == ".csv" else b"") + encode(rows, suffix))


def _check_selection(archive: ArchiveRows, source: Path) -> None:
    """Raises InputError for a selection by what the archive has not: a report may leave it out, a count may not."""
    if unknown := [topic for topic in archive.selection.topics if topic not in archive.topics]:
        raise InputError(
            f"expected the topics {', '.join(archive.topics)} of {source} as --topic, got {', '.join(unknown)}; choose"
        )
    if missing := list(archive.lacking.values()):
        raise InputError(
            f"expected the column {missing[0]} in {source} to select by, found {shown(archive.columns)}; "
            "name yours by --outlet-column or --date-column"
        )
    for note in archive.notes:
        print(note)


Pattern = tuple[Any, ...]
"""What the model said of each topic, and whether it is sure where it said that there is none."""


_TEXT = "md5_number_lower(the_text)"


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
    """How many of `rows` each stratum gives: all or `_LEAST` of it first, then one at a time to where the root of the
    size is most above what it gives."""
    given = [min(size, _LEAST) for size in sizes]
    while sum(given) < min(rows, sum(sizes)):
        open_ones = [place for place, size in enumerate(sizes) if given[place] < size]
        given[max(open_ones, key=lambda place: sizes[place] ** 0.5 / given[place])] += 1
    return given


def _drawn(
    archive: ArchiveRows, places: Mapping[Pattern, int], given: Sequence[int], seed: int
) -> list[tuple[str, int, Pattern]]:
    """(text, number of the stratum, pattern) in the order of reading, in which every beginning holds of each stratum
    the rows with its lowest numbers."""
    entries: list[list[tuple[int, int, Pattern]]] = [[] for _ in given]
    for *pattern, numbered in archive.run(_numbered(archive, seed, max(given)), archive.values).fetchall():
        entries[places[tuple(pattern)]] += [(dice, text, tuple(pattern)) for dice, text in numbered]
    chosen = []
    for place, number in enumerate(given):
        for rank, (dice, text, said) in enumerate(sorted(entries[place])[:number]):
            chosen.append(((rank + random.Random(dice).random()) / number, text, place, said))
    texts = _texts(archive, [text for _, text, *_ in chosen])
    return [(texts[text], place, said) for _, text, place, said in sorted(chosen)]


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
