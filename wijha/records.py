"""Rows in and out of .txt, .jsonl, .csv and .parquet files, one at a time."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wijha.errors import InputError

Row = dict[str, Any]
SUFFIXES = (".txt", ".jsonl", ".csv", ".parquet")
_ROWS_A_GROUP = 10_000


def suffix_of(path: Path) -> str:
    """The format of a file by its name. Raises InputError for a format that is not ours."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"expected a {', '.join(SUFFIXES)} file, got {path.name}; convert it")
    return path.suffix


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """(line number, row) of a file; a .txt line becomes {"text": line}. Blank lines are passed over.

    Raises InputError naming the line where the file is not what its name says, is not UTF-8 or breaks off.
    """
    reader = _READERS[suffix_of(path)]
    number = 0
    try:
        for number, row in reader(path):
            yield number, row
    except FileNotFoundError as error:
        raise InputError(f"expected a file at {path}, found none; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"expected a file at {path}, found a folder; name a file in it") from error
    except UnicodeDecodeError as error:
        raise InputError(f"expected UTF-8 in {path}, found other bytes after line {number}; convert it") from error
    except (pa.ArrowInvalid, csv.Error) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"expected a whole {path.suffix} file at {path}, got: {reason}; write it again") from error


def _read_txt(path: Path) -> Iterator[tuple[int, Row]]:
    with open(path, encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, {"text": line.strip()}


def _read_jsonl(path: Path) -> Iterator[tuple[int, Row]]:
    with open(path, encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise InputError(f"expected a JSON object in {path} line {number}, got {line.strip()[:40]!r}; mend it")
            yield number, row


def _read_csv(path: Path) -> Iterator[tuple[int, Row]]:
    with open(path, encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        for row in reader:
            if None in row or None in row.values():
                raise InputError(
                    f"expected {len(reader.fieldnames or [])} columns in {path} line {reader.line_num}, "
                    "got another number; quote cells that hold commas"
                )
            yield reader.line_num, row


def _read_parquet(path: Path) -> Iterator[tuple[int, Row]]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_A_GROUP):
            for row in batch.to_pylist():
                number += 1
                yield number, row


_READERS: dict[str, Callable[[Path], Iterator[tuple[int, Row]]]] = {
    ".txt": _read_txt,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def write_rows(rows: Iterable[Row], path: Path) -> int:
    """Write rows that share their columns; the file is whole or not there. Returns how many.

    A .txt output is refused: it has no columns.
    """
    if suffix_of(path) == ".txt":
        raise InputError(f"expected a .jsonl, .csv or .parquet output, got {path.name}; a .txt file has no columns")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        count = _WRITERS[path.suffix](iter(rows), temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _write_jsonl(rows: Iterator[Row], path: Path) -> int:
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            count += 1
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        _flush(file)
    return count


def _write_csv(rows: Iterator[Row], path: Path) -> int:
    count = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = None
        for row in rows:
            count += 1
            writer = writer or _started(csv.DictWriter(file, row))
            writer.writerow({key: defuse(value) for key, value in row.items()})
        _flush(file)
    return count


def _started(writer: csv.DictWriter[str]) -> csv.DictWriter[str]:
    writer.writeheader()
    return writer


def defuse(value: Any) -> Any:
    """A text cell that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _write_parquet(rows: Iterator[Row], path: Path) -> int:
    count, writer, chunk = 0, None, []
    try:
        for row in rows:
            count += 1
            chunk.append(row)
            if len(chunk) == _ROWS_A_GROUP:
                writer, chunk = _write_group(chunk, writer, path), []
        if chunk or writer is None:
            writer = _write_group(chunk, writer, path)
    finally:
        if writer:
            writer.close()
    return count


def _write_group(chunk: list[Row], writer: pq.ParquetWriter | None, path: Path) -> pq.ParquetWriter:
    table = pa.Table.from_pylist(chunk, schema=writer.schema if writer else None)
    writer = writer or pq.ParquetWriter(path, table.schema)
    writer.write_table(table)
    return writer


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


_WRITERS: dict[str, Callable[[Iterator[Row], Path], int]] = {
    ".jsonl": _write_jsonl,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
