"""The files of a classified archive as a table that DuckDB reads lazily."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from wijha.errors import InputError
from wijha.records import read_rows

_FORMATS = {".parquet", ".jsonl", ".csv"}


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"


def trimmed(name: str) -> str:
    """A column as text without spaces around it; empty is null."""
    return f"nullif(trim(CAST({name} AS VARCHAR)), '')"


def reader(file: Path, columns: list[str], names: list[str]) -> str:
    """The table function that reads the files; every text column as text, so that no type is guessed."""
    files = f"[{', '.join(map(text_literal, names))}]"
    if file.suffix == ".parquet":
        return f"read_parquet({files}, union_by_name = true)"
    if file.suffix == ".csv":
        return f"read_csv({files}, header = true, all_varchar = true, union_by_name = true, delim = ',', quote = '\"')"
    types = ", ".join(f"{text_literal(name)}: 'VARCHAR'" for name in columns)
    return f"read_json({files}, format = 'newline_delimited', columns = {{{types}}})"


def archive_files(source: Path) -> list[Path]:
    """The file, or the files of a folder, all of one format; rows that `wijha predict` set aside are left out.

    Raises InputError when there is none, or several formats.
    """
    found = [source]
    if source.is_dir():
        kept = (path for path in source.rglob("*") if not path.name.endswith(".quarantine.jsonl"))
        found = sorted(path for path in kept if path.suffix in _FORMATS)
    if not source.exists() or not found or {path.suffix for path in found} - _FORMATS:
        raise InputError(
            f"expected predictions as .parquet, .jsonl or .csv at {source}, found none; run wijha predict first"
        )
    if len({path.suffix for path in found}) > 1:
        raise InputError(f"expected files of one format in {source}, found several; name one of them")
    return found


def column_names(file: Path) -> list[str]:
    """Names of a file's columns; of a .jsonl file those of its first rows."""
    if file.suffix == ".parquet":
        try:
            return list(pq.read_schema(file).names)
        except (OSError, ValueError) as error:
            raise InputError(f"expected a whole .parquet file at {file}, got a broken one; write it again") from error
    rows: Iterator[tuple[int, dict[str, Any]]] = iter(read_rows(file))
    return list(dict.fromkeys(name for _, row in islice(rows, 1000) for name in row))
