"""Rows of .txt, .jsonl, .csv and .parquet files, one at a time; a bad row is named by line and set aside."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from wijha.errors import InputError
from wijha.unpacking import XzStreams
from wijha.writing import Row

SUFFIXES = (".txt", ".jsonl", ".csv", ".parquet")
COMPRESSED = (".gz", ".xz", ".zst")
_ROWS_A_GROUP = 10_000
_BLOCK = 1 << 20
_SEPARATOR = re.compile(r'"?sep=([^"\w\r\n])"?([\r\n]*)', re.IGNORECASE)  # as Excel begins a file
_BROKEN = (pa.ArrowException, csv.Error, EOFError, OSError, zlib.error, lzma.LZMAError)
_NO_PYTHON_VALUE = (ValueError, OverflowError, LookupError)  # not UTF-8, a year 10,000, an unknown time zone


class Fault(NamedTuple):
    """What is wrong with a row, without its text: expected `wanted`, found `found`; `advice`."""

    wanted: str
    found: str
    advice: str

    def at(self, path: Path, record: Record) -> str:
        """The sentence for a user."""
        return f"expected {self.wanted} in {path} {record.where}, found {self.found}; {self.advice}"


class Record(NamedTuple):
    """One row of a file, or what is wrong with it."""

    number: int
    """Line of a text file where the row begins, or row of a .parquet file; from 1."""
    row: Row
    fault: Fault | None = None
    raw: str = ""
    """The line, or the cells of a .csv row, undecodable bytes as lone surrogates; empty in .parquet."""
    last: int = 0
    """Line of a .csv file where the row ends."""

    @property
    def lines(self) -> int:
        """Over how many lines it reaches."""
        return max(self.last - self.number, 0) + 1

    @property
    def where(self) -> str:
        """Its line, or from which to which it reaches."""
        return f"lines {self.number:,} to {self.last:,}" if self.last > self.number else f"line {self.number}"


def packing_of(path: Path) -> str:
    """How a file is compressed by its name, in lower case: .gz, .xz, .zst or nothing."""
    suffix = path.suffix.lower()
    return suffix if suffix in COMPRESSED else ""


def form_of(path: Path) -> str:
    """What a file's name says of its format, in lower case: .txt of a.txt and of A.TXT.GZ."""
    return (Path(path.stem) if packing_of(path) else path).suffix.lower()


def suffix_of(path: Path) -> str:
    """The format of a file by its name, compressed or not. Raises InputError for a format that is not ours."""
    suffix = form_of(path)
    if suffix not in SUFFIXES or (suffix == ".parquet" and packing_of(path)):
        if suffix in (".json", ".ndjson") and _holds_json_lines(path):
            raise InputError(f"expected a .jsonl file, got {path.name}, whose lines are such; rename it to .jsonl")
        raise InputError(
            f"expected a {', '.join(SUFFIXES)} file, got {path.name}; convert it "
            f"({', '.join(COMPRESSED)} behind the first three is read too)"
        )
    return suffix


def _holds_json_lines(path: Path) -> bool:
    """Whether the first line of a file is an object of its own."""
    try:
        with _binary(path) as file:
            return isinstance(json.loads(bytes(file.read(_BLOCK)).split(b"\n")[0]), dict)
    except (ValueError, RecursionError, *_BROKEN):
        return False


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """(line number, row) of a file; a .txt line becomes {"text": line}. Blank lines are passed over.

    Raises InputError as `sound_records`.
    """
    return ((record.number, record.row) for record in sound_records(path))


def sound_records(path: Path) -> Iterator[Record]:
    """Every row of a file. Raises InputError naming the line where the file is not what its name says, is not UTF-8 or
    breaks off."""
    for record in records(path):
        if record.fault:
            raise InputError(record.fault.at(path, record))
        yield record


def records(path: Path) -> Iterator[Record]:
    """Every row of a file, the bad ones with their fault. Raises InputError when the file as a whole is not readable.

    A .csv goes on behind a bad row as the csv module does; an unclosed quote swallows what follows it.
    """
    reader = _READERS[suffix_of(path)]
    number = 0
    try:
        for record in reader(path):
            number = record.number
            yield record
    except FileNotFoundError as error:
        raise InputError(f"expected a file at {path}, found none; check the path") from error
    except PermissionError as error:
        raise InputError(f"expected to read {path}, found it closed to this user; open it") from error
    except IsADirectoryError as error:
        raise InputError(f"expected a file at {path}, found a folder; name a file in it") from error
    except _BROKEN as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        kind = form_of(path) + packing_of(path)
        raise InputError(
            f"expected a whole {kind} file at {path}, got after row {number}: {reason}; write it again"
        ) from error


def row_count(path: Path) -> int | None:
    """Rows of a file, for a bar: blank lines of .txt and .jsonl files count. None where it cannot be read to its end.

    Text is unpacked and looked through once, some hundred times as fast as it is classified.
    """
    try:
        if suffix_of(path) == ".parquet":
            return int(pq.read_metadata(path).num_rows)
        if suffix_of(path) == ".csv":
            lines, separator = _separated(_lines(path, newline=""))
            return max(sum(1 for cells in csv.reader(lines, delimiter=separator) if cells) - 1, 0)
        with _binary(path) as file:
            return sum(bytes(block).count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
    except (InputError, *_BROKEN):
        return None


def _binary(path: Path) -> Any:
    packing = packing_of(path)
    if packing == ".gz":
        return gzip.open(path)
    if packing == ".xz":
        return io.BufferedReader(XzStreams(open(path, "rb")))
    return pa.input_stream(str(path), compression="zstd") if packing == ".zst" else open(path, "rb")


def _lines(path: Path, newline: str | None = None) -> Iterator[str]:
    """Lines of UTF-8 text; other bytes come as lone surrogates. Raises InputError for UTF-16."""
    with io.TextIOWrapper(_binary(path), "utf-8-sig", errors="surrogateescape", newline=newline) as lines:
        for number, line in enumerate(lines):
            if number == 0 and line.startswith(("\udcff\udcfe", "\udcfe\udcff")):
                raise InputError(f"expected UTF-8 in {path}, found UTF-16; convert it")
            yield line


def _encoding_fault(text: str) -> Fault | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return Fault("UTF-8", "other bytes", "convert it")
    return None


def _read_txt(path: Path) -> Iterator[Record]:
    for number, line in enumerate(_lines(path), 1):
        if text := line.removeprefix("\ufeff").strip():  # the mark of a file that was put behind another
            yield Record(number, {"text": text}, _encoding_fault(line), line)


def _read_jsonl(path: Path) -> Iterator[Record]:
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            row, fault = _parsed(line)
            yield Record(number, row, fault, line)


class _TwiceError(ValueError):
    """A JSON object with a name twice, of which Python's parser takes the last."""


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _TwiceError
    return row


_DECODER = json.JSONDecoder(object_pairs_hook=_object)  # 8 % slower than without


def _parsed(line: str) -> tuple[Row, Fault | None]:
    if fault := _encoding_fault(line):
        return {}, fault
    try:
        row = _DECODER.decode(line)
    except _TwiceError:
        return {}, Fault("a JSON object", "a name twice", "rename or drop one")
    except json.JSONDecodeError as error:
        return {}, Fault("a JSON object", f"{error.msg.lower()} at character {error.pos + 1}", "mend it")
    except (ValueError, RecursionError):
        return {}, Fault("a JSON object", "a number or a nesting without end", "mend it")
    if not isinstance(row, dict):
        return {}, Fault("a JSON object", f"a value of type {type(row).__name__}", "mend it")
    if "\\u" in line and _encoding_fault(json.dumps(row, ensure_ascii=False)):
        return {}, Fault("whole characters", "half of a surrogate pair", "mend it")
    return row, None


def _read_csv(path: Path) -> Iterator[Record]:
    seen: list[str] = []
    lines, separator = _separated(_lines(path, newline=""))
    reader = csv.reader(_noted(lines, seen), delimiter=separator, strict=True)
    header: list[str] | None = None
    fault: Fault | None
    while True:
        start = reader.line_num + 1
        seen.clear()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if header is None:
                raise
            fault = Fault("whole CSV cells", str(error), "mend the quotes")
            yield Record(start, {}, fault, "".join(seen), reader.line_num)
            continue
        if cells is None:
            return
        if header is None:
            header = _header(cells, path) if "".join(cells).strip() else None
        elif cells:
            row, fault = dict(zip(header, cells, strict=False)), _cell_fault(cells, header)
            yield Record(start, row, fault, "\x1f".join(cells), reader.line_num)


def _separated(lines: Iterator[str]) -> tuple[Iterator[str], str]:
    """The lines, and what separates their cells: of a first line `sep=X`, which then is a blank one, the X."""
    first = next(lines, "")
    named = _SEPARATOR.fullmatch(first)
    return itertools.chain([named[2] or "\n" if named else first], lines), named[1] if named else ","


def _noted(lines: Iterator[str], seen: list[str]) -> Iterator[str]:
    """The lines as they come, each put into `seen` too."""
    for line in lines:
        seen.append(line)
        yield line


def _header(cells: list[str], path: Path) -> list[str]:
    if "\0" in "".join(cells):
        raise InputError(f"expected UTF-8 in {path}, found NUL characters in its first line, as of UTF-16; convert it")
    if _encoding_fault("".join(cells)):
        raise InputError(f"expected UTF-8 in {path}, found other bytes in its first line; convert it")
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(cells) == 1 and sign in cells[0]:
            raise InputError(f"expected cells separated by commas in {path}, found {name}; save it with commas")
    check_names(cells, path, "a header")
    return cells


def check_names(names: list[str], path: Path, what: str = "columns") -> None:
    """Raises InputError when two columns have one name: a row could hold only one of them."""
    first = dict[str, int]()
    for number, name in enumerate(names, 1):
        if (before := first.setdefault(name, number)) != number:
            which = "one" if name else "an empty name"
            raise InputError(
                f"expected {what} of different names in {path}, found {which} twice, in columns {before:,} and "
                f"{number:,}; rename or drop a column"
            )


def _cell_fault(cells: list[str], header: list[str]) -> Fault | None:
    if len(cells) != len(header):
        return Fault(f"{len(header)} columns", f"{len(cells)}", "quote cells that hold commas")
    return _encoding_fault("".join(cells))


def _read_parquet(path: Path) -> Iterator[Record]:
    number = 0
    with pq.ParquetFile(path) as file:
        check_names(file.schema_arrow.names, path)
        for batch in file.iter_batches(_ROWS_A_GROUP):
            for row, fault in _decoded(batch):
                number += 1
                yield Record(number, row, fault)


def _decoded(batch: pa.RecordBatch) -> list[tuple[Row, Fault | None]]:
    try:
        return [(row, None) for row in batch.to_pylist()]
    except _NO_PYTHON_VALUE:
        return [_decoded_row(batch.slice(place, 1)) for place in range(len(batch))]


def _decoded_row(one: pa.RecordBatch) -> tuple[Row, Fault | None]:
    """The only row of a batch, cell by cell; a bad cell is a text of what it looks like, to know the row by."""
    row: Row = {}
    fault = None
    for name, column in zip(one.schema.names, one.columns, strict=True):
        try:
            row[name] = column[0].as_py()
        except _NO_PYTHON_VALUE as error:
            dates = Fault("dates and times that Python knows", "others", "mend or drop the row")
            fault = Fault("UTF-8", "other bytes", "convert it") if isinstance(error, UnicodeError) else dates
            row[name] = column.to_string()
    return row, fault


_READERS: dict[str, Callable[[Path], Iterator[Record]]] = {
    ".txt": _read_txt,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
