"""The files of a classified archive as a table that DuckDB reads lazily."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from wijha.errors import InputError
from wijha.records import form_of, packing_of, read_rows

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
    suffix = form_of(file)
    if suffix == ".parquet":
        return f"read_parquet({files}, union_by_name = true)"
    if suffix == ".csv":
        return f"read_csv({files}, header = true, all_varchar = true, union_by_name = true, delim = ',', quote = '\"')"
    types = ", ".join(f"{text_literal(name)}: 'VARCHAR'" for name in columns)
    return f"read_json({files}, format = 'newline_delimited', columns = {{{types}}})"


def archive_files(source: Path) -> list[Path]:
    """The file, or the files of a folder, all of one format; rows that `wijha predict` set aside are left out.

    Raises InputError when there is none, or several formats.
    """
    found = [path for path in (_below(source) if source.is_dir() else [source]) if _is_archive(path)]
    if not found:
        raise InputError(
            f"expected predictions as .parquet, .jsonl or .csv at {source}, found none; run wijha predict first"
        )
    if len({form_of(path) for path in found}) > 1:
        raise InputError(f"expected files of one format in {source}, found several; name one of them")
    return found


def _below(folder: Path) -> list[Path]:
    """What lies in a folder, but for what is hidden, rows that were set aside, and unfinished jobs."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if not path.name.endswith(".quarantine.jsonl"))
    return sorted(
        folder / path for path in paths if not any(part.startswith(".") or part.endswith(".job") for part in path.parts)
    )


def _is_archive(path: Path) -> bool:
    return path.is_file() and form_of(path) in _FORMATS and not packing_of(path)


def column_names(file: Path) -> list[str]:
    """Names of a file's columns; of a .jsonl file those of its first rows."""
    if form_of(file) == ".parquet":
        try:
            return list(pq.read_schema(file).names)
        except (OSError, ValueError) as error:
            raise InputError(f"expected a whole .parquet file at {file}, got a broken one; write it again") from error
    rows: Iterator[tuple[int, dict[str, Any]]] = iter(read_rows(file))
    return list(dict.fromkeys(name for _, row in islice(rows, 1000) for name in row))
