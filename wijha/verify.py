"""Proof that every input row stands exactly once in the output or in the quarantine.

Inputs, outputs and quarantine are read side by side, one row at a time; the quarantine once before, for the columns
that were to be added, and all again only to name what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from wijha.chunks import NOTHING_ADDED, RENAME, Options, accept, quarantine_entry
from wijha.errors import InputError
from wijha.jobs import Counts
from wijha.ledger import Ledger
from wijha.paths import Pair, Places
from wijha.receipt import Receipt
from wijha.records import read_rows, records
from wijha.surplus import check_outputs
from wijha.writing import Row, as_cell, as_text, finite

_END: Any = None
_AGAIN = "run wijha predict again with --restart"
_IDENTITY = ("id", "document", "sentence")
_SHOWN: dict[str, Callable[[Any], Any]] = {".jsonl": finite, ".csv": as_cell, ".parquet": as_text}
Key = tuple[str, ...]


class Found(NamedTuple):
    """An output row: its number, what it is known by, and its columns that may be stances."""

    place: int
    key: Key
    stances: frozenset[str]


def verify(pairs: Sequence[Pair], places: Places, options: Options) -> Counts:
    """Compare every input with its output and the quarantine; returns what was found.

    A row is known by its place, its text and, where it has them, its id, document and sentence number. Stances have to
    be there; which ones is not looked at.
    Raises InputError that names the first row that is missing, doubled, changed or without a stance of its own, or a
    file in the folder OUT that no input goes to; and an option other than those of the job.
    """
    if Ledger(places.job).unfinished:
        raise InputError(f"expected a finished job, found {places.job}; go on with `wijha predict --resume`")
    _check_options(Receipt.read(places), options)
    check_outputs(pairs, places)
    quarantine = _quarantine(places.quarantine)
    options = replace(options, added=_added(places.quarantine))
    rows_in = rows_out = quarantined = 0
    for pair in pairs:
        output = _output(pair.target, options.column, pair.suffix)
        for record in records(pair.source):
            rows, fault = accept(record, options)
            rows_in += 1
            if fault:
                quarantined += 1
                _same_entry(next(quarantine, _END), quarantine_entry(pair.name, record._replace(fault=fault)), places)
            for row in rows:
                rows_out += 1
                _same_row(next(output, _END), record.number, row, pair, options)
        if extra := next(output, _END):
            raise _surplus(extra, pair, options)
    if extra := next(quarantine, _END):
        raise InputError(
            f"expected {quarantined:,} rows in {places.quarantine}, found one more: "
            f"{extra.get('input')} line {extra.get('line')}; {_AGAIN}"
        )
    return Counts(rows_in, rows_out, quarantined)


def _key(row: Row, names: Iterable[str], suffix: str) -> Key:
    """What a row of an input or of its output is known by, as the output shows it."""
    values = [_SHOWN[suffix](row.get(name)) for name in names]
    return tuple("" if value is None else str(value) for value in values)


def _check_options(receipt: Receipt, options: Options) -> None:
    """Raises InputError where the job ran with another text column, or the other way with --articles."""
    noted, out, articles, column = receipt.options, receipt.places.out, options.articles, options.column
    if noted.get("articles", articles) != articles:
        found, advice = ("it", "drop it") if articles else ("none", "pass it")
        how = "without" if articles else "with"
        raise InputError(f"expected what {out} was made {how}, --articles, found {found}; {advice}")
    if noted.get("column", column) != column:
        raise InputError(f"expected what {out} was made with, --text-column {noted['column']}, found {column}; pass it")


def _output(path: Path, column: str, suffix: str) -> Iterator[Found]:
    names = [_SHOWN[suffix](name) for name in (column, *_IDENTITY)]
    for number, (_, row) in enumerate(read_rows(path), 1):
        stances = frozenset(name for name, value in row.items() if value and name.endswith("_stance"))
        yield Found(number, _key(row, names, suffix), stances)


def _quarantine(path: Path) -> Iterator[dict[str, Any]]:
    return (row for _, row in read_rows(path)) if path.exists() else iter(())


def _added(path: Path) -> tuple[str, ...]:
    """The columns that were to be added, as far as rows were set aside for them: no model is asked for all."""
    begin, end = f"expected {NOTHING_ADDED}, found ", f"; {RENAME}"
    reasons = (str(row.get("reason")) for row in _quarantine(path))
    return tuple({each.removeprefix(begin).removesuffix(end) for each in reasons if each.startswith(begin)})


def _same_entry(found: dict[str, Any] | None, wanted: dict[str, Any], places: Places) -> None:
    if found != json.loads(json.dumps(wanted)):
        raise InputError(
            f"expected {wanted['input']} line {wanted['line']} in {places.quarantine}, "
            f"found {'its end' if found is None else 'another entry'}; {_AGAIN}"
        )


def _same_row(found: Found | None, number: int, row: Row, pair: Pair, options: Options) -> None:
    """Raises InputError unless an input row was found, with a stance that is not its own."""
    if found is None:
        raise InputError(f"expected {pair.source} line {number} in {pair.target}, it is missing; {_AGAIN}")
    place, key, stances = found
    if key == _key(row, (options.column, *_IDENTITY), pair.suffix):
        if stances <= set(map(_SHOWN[pair.suffix], row)):
            raise InputError(f"expected a stance in {pair.target} row {place}, found none; {_AGAIN}")
        return
    belongs, _ = _place_of(key, pair, options)
    if 0 < belongs < place:
        raise _surplus(found, pair, options)
    what = "it is missing" if belongs else "it is changed"
    raise InputError(f"expected {pair.source} line {number} as row {place} of {pair.target}, {what}; {_AGAIN}")


def _surplus(found: Found, pair: Pair, options: Options) -> InputError:
    place, key, _ = found
    _, line = _place_of(key, pair, options)
    what = f"{pair.source} line {line} a second time" if line else "a row that is in no input"
    return InputError(f"expected every row once in {pair.target}, found {what} as row {place}; {_AGAIN}")


def _place_of(key: Key, pair: Pair, options: Options) -> tuple[int, int]:
    """Output row where a key belongs first, and the input line that it comes from; 0 where no input row has it."""
    rows = ((row, record.number) for record in records(pair.source) for row in accept(record, options)[0])
    for place, (row, line) in enumerate(rows, 1):
        if _key(row, (options.column, *_IDENTITY), pair.suffix) == key:
            return place, line
    return 0, 0
