"""Input rows in chunks: what is to be classified, and what is set aside because it holds no text."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wijha.batching import WINDOW
from wijha.errors import InputError
from wijha.records import Fault, Record, records, suffix_of
from wijha.text import normalise, sentences
from wijha.writing import LONGEST, Row

_NAMES_SHOWN = 10
_NAME_LENGTH = 30
SPANNING = 100
"""Lines of a .csv row beyond which it is more likely a stray quote that swallowed others."""
NOTHING_ADDED, RENAME = "no column that is to be added", "rename or drop it"


@dataclass(frozen=True)
class Options:
    """How rows become texts."""

    column: str = "text"
    """The column to classify."""
    articles: bool = False
    """Split each row into sentences first."""
    strict: bool = False
    """Stop at the first bad row instead of setting it aside."""
    chunk_rows: int = WINDOW
    """Rows a chunk: what a kill can lose."""
    added: tuple[str, ...] = ()
    """The columns that are to be added: no row may have one."""


@dataclass
class Chunk:
    """Some consecutive rows of one input."""

    first: int
    last: int
    rows_in: int = 0
    rows: list[Row] = field(default_factory=list)
    """What is to be classified: a row each, or a row for each sentence."""
    faults: list[Record] = field(default_factory=list)
    spanning: list[int] = field(default_factory=list)
    """Where the accepted rows of more than SPANNING lines begin."""


def chunks(source: Path, options: Options) -> Iterator[Chunk]:
    """The rows of a file in chunks of `chunk_rows` rows; fewer where articles have many sentences. A file without rows
    is one chunk of none.

    Raises InputError when the file breaks off, or at the first bad row if `strict`.
    """
    chunk: Chunk | None = Chunk(0, 0)
    for record in records(source):
        chunk = chunk if chunk and chunk.rows_in else Chunk(record.number, record.number)
        rows, fault = accept(record, options)
        if fault and options.strict:
            raise InputError(fault.at(source, record))
        if fault:
            chunk.faults.append(record._replace(fault=fault))
        elif record.lines > SPANNING:
            chunk.spanning.append(record.number)
        chunk.rows += rows
        chunk.rows_in, chunk.last = chunk.rows_in + 1, record.number
        if chunk.rows_in >= options.chunk_rows or len(chunk.rows) >= 4 * options.chunk_rows:
            yield chunk
            chunk = None
    if chunk:
        yield chunk


def look(source: Path, options: Options) -> bool:
    """Read up to the first good row; false where the file has no rows. Raises InputError when none of its rows is good:
    then the file as a whole is not as expected.

    A missing column of a .csv or .parquet file is missing everywhere; other files are read to their end for it. A
    column that is to be added refuses the file where the first good row has it, and later only the row.
    """
    first: InputError | None = None
    as_read = replace(options, added=())
    for record in records(source):
        fault = accept(record, as_read)[1]
        if fault is None:
            check_new(source, record.row, options.added)
            return True
        first = first or InputError(fault.at(source, record))
        everywhere = record.fault is None and options.column not in record.row
        if options.strict or (everywhere and suffix_of(source) in (".csv", ".parquet")):
            break
    if first:
        raise first
    return False


def check_new(source: Path, row: Container[str], added: Iterable[str]) -> None:
    """Raises InputError when a row, or the names of a table's columns, hold a name that is to be added."""
    if there := [name for name in added if name in row]:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise InputError(
            f"expected no column in {source} that is to be added, found {there[0]}{more}; "
            "rename or drop what an earlier run added, or classify its input again"
        )


def accept(record: Record, options: Options) -> tuple[list[Row], Fault | None]:
    """The rows to classify that come from a record, or what is wrong with it."""
    row = record.row
    fault = record.fault or text_fault(row, options.column) or _added_fault(row, options.added) or _length_fault(row)
    if fault:
        return [], fault
    if not options.articles:
        return [row], None
    rows = split_article(row, options.column, record.number)
    return rows, None if rows else Fault("a sentence", "none", "mend or drop the row")


def text_fault(row: Row, column: str) -> Fault | None:
    """What is wrong with the text of a row."""
    if column not in row:
        alike = next((name for name in row if _alike(name, column)), None)
        if alike is not None:
            return Fault(f"a column {column!r}", f"{alike!r}", "rename it; they differ in spaces, marks or case only")
        return Fault(f"a column {column!r}", shown(list(row)), "pass --text-column NAME")
    text = row[column]
    if not isinstance(text, str):
        kind = "nothing" if text is None else f"a value of type {type(text).__name__}"
        return Fault("a text", kind, "mend or drop the row")
    if not text.strip():
        return Fault("a text", "an empty one", "mend or drop the row")
    return Fault("a text", "NUL characters in it", "mend or drop the row") if "\0" in text else None


def _alike(name: str, column: str) -> bool:
    """Whether two names look the same but for spaces, direction marks and case."""
    first, second = (normalise(each).replace(" ", "") for each in (name, column))
    return bool(first) and first == second


def _added_fault(row: Row, added: Container[str]) -> Fault | None:
    name = next((name for name in row if name in added), None)
    return None if name is None else Fault(NOTHING_ADDED, name, RENAME)


def _length_fault(row: Row) -> Fault | None:
    """A text, in whichever column, that a .csv file could not hold: no format takes it, so that all hold the same."""
    if all(len(value) <= LONGEST for value in row.values() if isinstance(value, str)):
        return None
    return Fault(f"texts of at most {LONGEST:,} characters", "a longer one", "split or drop it")


def shown(columns: list[Any]) -> str:
    """The names of columns, or how many where one may be text of the data, as in the first line of a bare .csv."""
    first = columns[:_NAMES_SHOWN]
    if all(str(name).isascii() and str(name).isidentifier() and len(str(name)) <= _NAME_LENGTH for name in first):
        return ", ".join(map(str, first)) or "none"
    return f"{len(columns)} other" + ("s" if len(columns) > 1 else "")


def split_article(row: Row, column: str, number: int) -> list[Row]:
    """One row a sentence; `document` is the row's id, or its number where that is missing or empty, as text; `sentence`
    counts from 0 within it."""
    document = str(number if row.get("id") in (None, "") else row["id"])
    return [
        {**row, column: sentence, "document": document, "sentence": place}
        for place, sentence in enumerate(sentences(row[column]))
    ]


def quarantine_entry(name: str, record: Record) -> dict[str, Any]:
    """What the quarantine says of a bad row: where it is, why, and a digest to know it by; never its text."""
    fault = record.fault or Fault("a row", "a bad one", "mend it")
    raw = record.raw or repr(record.row)
    digest = hashlib.sha256(raw.encode("utf-8", "surrogateescape" if record.raw else "replace")).hexdigest()
    place = f" in {record.where}" if record.last > record.number else ""
    reason = f"expected {fault.wanted}, found {fault.found}{place}; {fault.advice}"
    return {"input": name, "line": record.number, "reason": reason, "sha256": digest}
