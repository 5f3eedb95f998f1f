"""Proof that every input row stands exactly once in the output or in the quarantine.

Inputs, outputs and quarantine are read side by side, one row at a time; the quarantine once before, for the columns
that were to be added, and all again only to name what is wrong.
"""

from __future__ import annotations

import json
import re
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
from wijha.schema import SCORE, STANCE
from wijha.surplus import check_outputs
from wijha.writing import Row, as_cell, as_text, finite

_END: Any = None
_AGAIN = "run wijha predict again with --restart"
_IDENTITY = ("id", "document", "sentence")
_ADDED = re.compile(f"({STANCE}|{SCORE})$")
_SHOWN: dict[str, Callable[[Any], Any]] = {".jsonl": finite, ".csv": as_cell, ".parquet": as_text}
Key = tuple[str, ...]


class Found(NamedTuple):
    """An output row: its number, what it is known by, its columns of stances, and those of them that are filled."""

    place: int
    key: Key
    columns: frozenset[str]
    stances: frozenset[str]


def verify(pairs: Sequence[Pair], places: Places, options: Options) -> Counts:
    """Compare every input with its output and the quarantine; returns what was found.

    A row is known by its place, its text and, where it has them, its id, document and sentence number. The stances that
    were added to the first row have to be there in every one; which ones is not looked at.
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
    added = frozenset[str]()
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
                added = _same_row(next(output, _END), record.number, row, pair, options, added)
        if extra := next(output, _END):
            raise _surplus(extra, pair, options)
    if extra := next(quarantine, _END):
        raise InputError(
            f"expected {quarantined:,} rows in {places.quarantine}, found one more: "
            f"{extra.get('input')} line {extra.get('line')}; {_AGAIN}"
        )
    return Counts(rows_in, rows_out, quarantined)


def _key(row: Row, names: Iterable[str], shown: Callable[[Any], Any]) -> Key:
    """What a row of an input or of its output is known by, as the output shows it."""
    values = [shown(row.get(name)) for name in names]
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
    shown = _SHOWN[suffix] if suffix != ".csv" else lambda cell: cell  # as it was shown
    for number, (_, row) in enumerate(read_rows(path), 1):
        columns = frozenset(_ADDED.sub(STANCE, name) for name in row if _ADDED.search(name))
        stances = frozenset(name for name in columns if row.get(name))
        yield Found(number, _key(row, names, shown), columns, stances)


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


def _same_row(
    found: Found | None, number: int, row: Row, pair: Pair, options: Options, added: frozenset[str]
) -> frozenset[str]:
    """Raises InputError unless an input row was found, with the stances that were `added` to others, at least one that
    is not its own; returns them."""
    if found is None:
        raise InputError(f"expected {pair.source} line {number} in {pair.target}, it is missing; {_AGAIN}")
    shown, place, key = _SHOWN[pair.suffix], found.place, found.key
    if key == _key(row, (options.column, *_IDENTITY), shown):
        added = added or found.columns - set(map(shown, row))
        if not added or (lacking := sorted(added - found.stances)):
            what = lacking[0] if added else "a stance"
            raise InputError(f"expected {what} in {pair.target} row {place}, found none; {_AGAIN}")
        return added
    belongs, _ = _place_of(key, pair, options)
    if 0 < belongs < place:
        raise _surplus(found, pair, options)
    what = "it is missing" if belongs else "it is changed"
    raise InputError(f"expected {pair.source} line {number} as row {place} of {pair.target}, {what}; {_AGAIN}")


def _surplus(found: Found, pair: Pair, options: Options) -> InputError:
    place, key = found.place, found.key
    _, line = _place_of(key, pair, options)
    what = f"{pair.source} line {line} a second time" if line else "a row that is in no input"
    return InputError(f"expected every row once in {pair.target}, found {what} as row {place}; {_AGAIN}")


def _place_of(key: Key, pair: Pair, options: Options) -> tuple[int, int]:
    """Output row where a key belongs first, and the input line that it comes from; 0 where no input row has it."""
    rows = ((row, record.number) for record in records(pair.source) for row in accept(record, options)[0])
    for place, (row, line) in enumerate(rows, 1):
        if _key(row, (options.column, *_IDENTITY), _SHOWN[pair.suffix]) == key:
            return place, line
    return 0, 0
