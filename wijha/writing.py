"""Rows into .jsonl, .csv and .parquet files: chunk by chunk, each chunk a file of its own, joined at the end."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from wijha.batching import windows
from wijha.errors import InputError
from wijha.files import replacing

Row = dict[str, Any]
Head = Any  # what the files of a format share: names of .csv columns, schema of .parquet columns, nothing for .jsonl
TARGETS = (".jsonl", ".csv", ".parquet")
_ROWS_A_GROUP = 10_000
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last: fullwidth = + - @
_NUMBER = re.compile(r"[+-][0-9]+(\.[0-9]+)?")
LONGEST = 1 << 24  # characters of a text: articles exceed the csv module's 131,072, but an unclosed quote must end
csv.field_size_limit(LONGEST + 1)  # with the apostrophe of `defuse`


def target_suffix(path: Path) -> str:
    """The format of an output by its name. Raises InputError: a .txt file has no columns, others are not ours."""
    suffix = path.suffix.lower()
    if suffix not in TARGETS:
        raise InputError(f"expected a .jsonl, .csv or .parquet output, got {path.name}; rename it")
    return suffix


def write_rows(rows: Iterable[Row], path: Path) -> int:
    """Write rows that share their columns; the file is whole or not there. Returns how many.

    A .txt output is refused: it has no columns.
    """
    suffix, groups = target_suffix(path), windows(rows, _ROWS_A_GROUP)
    path.parent.mkdir(parents=True, exist_ok=True)
    first = next(groups, [])
    part, count = encode(first, suffix), len(first)
    with replacing(path) as file, Joined(file, suffix, head(part, suffix)) as joined:
        if first:
            joined.add(part)
        for group in groups:
            joined.add(encode(group, suffix))
            count += len(group)
    return count


def encode(rows: list[Row], suffix: str, types: dict[str, pa.DataType] | None = None) -> bytes:
    """Rows as a whole file of a format; columns in order of first appearance, what a row lacks stays empty, and
    so does in .jsonl what is no finite number.

    `types`: the .parquet types of columns that came from a .parquet file. Values of another column that have no type in
    common, or none that a .parquet file holds, are text there (`as_text`).
    """
    if suffix == ".jsonl":
        return "".join(_json(row) + "\n" for row in rows).encode()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if suffix == ".csv":
        return _csv([columns] + [[row.get(name) for name in columns] for row in rows])
    arrays = [_array([row.get(name) for row in rows], (types or {}).get(name)) for name in columns]
    return _parquet(pa.Table.from_arrays(arrays, names=columns))


def without_rows(columns: dict[str, pa.DataType], suffix: str) -> bytes:
    """A whole file of no rows: the names of its columns, and in .parquet their types."""
    if suffix == ".jsonl":
        return b""
    return _csv([list(columns)]) if suffix == ".csv" else _parquet(pa.schema(columns).empty_table())


def _json(row: Row) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, default=_shown, allow_nan=False)
    except ValueError:
        return json.dumps(finite(row), ensure_ascii=False)


def _shown(value: Any) -> str:
    """What JSON has not, as text: bytes as the UTF-8 that they are, else in base64."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def finite(value: Any) -> Any:
    """The value as JSON holds it: NaN and infinities, which JSON has not, are None, in lists and objects too."""
    if value is None or isinstance(value, str):
        return value
    return json.loads(json.dumps(value, default=_shown), parse_constant=lambda name: None)


def as_text(value: Any) -> str | None:
    """The value as a column of text holds it: what is no text as JSON, 1.0 as 1."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _shown(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, default=_shown)


def as_cell(value: Any) -> Any:
    """The value as a cell of a .csv file holds it: lists, objects and truth as JSON; no formula."""
    if isinstance(value, bytes):
        value = _shown(value)
    if isinstance(value, (bool, dict, list, tuple)):
        value = json.dumps(finite(value), ensure_ascii=False)
    return defuse(value)


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _csv(lines: list[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[as_cell(value) for value in line] for line in lines])
    return text.getvalue().encode()


def _array(values: list[Any], wanted: pa.DataType | None) -> pa.Array:
    """The values in one type that a .parquet file holds, which objects without a field have not; else as text."""
    try:
        array = pa.array(values, type=wanted)
        if pa.types.is_nested(array.type):
            pq.read_schema(io.BytesIO(_parquet(pa.table({"": array}))))
    except (pa.ArrowException, OverflowError, OSError):  # the last: nested deeper than is read
        return pa.array(map(as_text, values), type=pa.string())
    return array


def defuse(value: Any) -> Any:
    """A text cell that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV injection).

    A plain number such as -3.5 is none.
    """
    runs = isinstance(value, str) and value.startswith(FORMULA) and not _NUMBER.fullmatch(value)
    return f"'{value}" if runs else value


def head(part: bytes, suffix: str) -> Head:
    """What a joined file needs to know of its parts before it begins."""
    if suffix == ".jsonl":
        return None
    return next(_cells(part), []) if suffix == ".csv" else pq.read_schema(io.BytesIO(part))


def merge(first: Head, second: Head) -> Head:
    """The head of a file that holds both: all columns, types widened, text where they have nothing in common."""
    if isinstance(first, list):
        return list(dict.fromkeys(first + second))
    if first is None or first.equals(second):
        return first
    return pa.schema([_merged(name, first, second) for name in dict.fromkeys(first.names + second.names)])


def with_text(shared: pa.Schema, column: str) -> pa.Schema:
    """The schema with text in a column."""
    return shared.set(shared.get_field_index(column), pa.field(column, pa.string()))


def _merged(name: str, *schemas: pa.Schema) -> pa.Field:
    fields = [pa.schema([schema.field(name)]) for schema in schemas if name in schema.names]
    try:
        return pa.unify_schemas(fields, promote_options="permissive").field(0)
    except pa.ArrowException:
        return pa.field(name, pa.string())


class UnfitError(InputError):
    """A part with values that the type of a column cannot hold, as all parts share it."""

    def __init__(self, column: str) -> None:
        super().__init__(
            f"expected one type in the column {column!r} for a .parquet output, found several; write .jsonl"
        )
        self.column = column


class Joined:
    """Several encoded parts as one file of the same format."""

    def __init__(self, file: BinaryIO, suffix: str, shared: Head) -> None:
        self._file, self._suffix, self._head = file, suffix, shared
        self._writer = pq.ParquetWriter(file, shared) if suffix == ".parquet" else None
        if suffix == ".csv" and shared:
            file.write(_plain_csv([shared]))

    def add(self, part: bytes) -> None:
        """Append a part; it becomes one row group of a .parquet file."""
        if self._writer:
            self._writer.write_table(self._fitted(pq.read_table(io.BytesIO(part))))
            return
        self._file.write(part if self._suffix == ".jsonl" else self._rearranged(part))

    def _fitted(self, table: pa.Table) -> pa.Table:
        return pa.Table.from_arrays([_cast(table, field) for field in self._head], schema=self._head)

    def _rearranged(self, part: bytes) -> bytes:
        plain = _plain_csv([self._head])
        if part.startswith(plain):
            return part[len(plain) :]
        lines = _cells(part)
        place = {name: number for number, name in enumerate(next(lines, []))}
        order = [place.get(name) for name in self._head]
        return _plain_csv([["" if at is None else line[at] for at in order] for line in lines])

    def close(self) -> None:
        """Write what is left."""
        if self._writer:
            self._writer.close()

    def __enter__(self) -> Joined:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            if self._writer:
                self._writer.is_open = False  # after an error it would write to the closed file when it is collected


def _cast(table: pa.Table, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    """A column in the type that all parts share. Raises UnfitError where that loses something."""
    if field.name not in table.column_names:
        return pa.nulls(len(table), field.type)
    column = table[field.name]
    if field.type == pa.string() != column.type:
        return pa.array(map(as_text, column.to_pylist()), type=pa.string())
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise UnfitError(field.name) from error


def _cells(part: bytes) -> Any:
    return csv.reader(io.StringIO(part.decode(), newline=""))


def _plain_csv(lines: list[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()
