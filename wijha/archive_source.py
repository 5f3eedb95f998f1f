"""The files of a classified archive as a table that DuckDB reads lazily."""

from __future__ import annotations

import glob
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from wijha.errors import InputError
from wijha.records import form_of, packing_of, read_rows

_FORMATS = {".parquet", ".jsonl", ".csv"}
_FIRST_ROWS = 1_000


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"


def trimmed(name: str) -> str:
    """A column as text without spaces around it; empty is null."""
    return f"nullif(trim(CAST({name} AS VARCHAR)), '')"


def reader(source: Path, files: list[Path], columns: list[str]) -> str:
    """The table function that reads the files of `source`; every text column as text, so that no type is guessed."""
    hive = partitions(source, files)
    paths = f"[{', '.join(text_literal(glob.escape(str(path))) for path in files)}]"
    given = f"{paths}, hive_partitioning = {bool(hive)}, hive_types_autocast = false"
    suffix = form_of(files[0])
    if suffix == ".parquet":
        return f"read_parquet({given}, union_by_name = true)"
    if suffix == ".csv":
        return f"read_csv({given}, header = true, all_varchar = true, union_by_name = true, delim = ',', quote = '\"')"
    types = ", ".join(f"{text_literal(name)}: 'VARCHAR'" for name in columns if name not in hive)
    return f"read_json({given}, format = 'newline_delimited', columns = {{{types}}})"


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


def partitions(source: Path, files: list[Path]) -> list[str]:
    """Columns that stand in the paths below `source`, as year of year=2024/; none where the files differ in them."""
    found = {tuple(part.split("=")[0] for part in path.relative_to(source).parts[:-1] if "=" in part) for path in files}
    return list(found.pop()) if len(found) == 1 else []


def column_names(source: Path, files: list[Path]) -> list[str]:
    """Names of the columns that any file has, and of those in their paths."""
    names = [name for file in files for name in _columns_of(file)]
    return list(dict.fromkeys([*names, *partitions(source, files)]))


def _columns_of(file: Path) -> list[str]:
    """Names of a file's columns; of a .jsonl file those of its first rows."""
    if form_of(file) == ".parquet":
        try:
            return list(pq.read_schema(file).names)
        except (OSError, ValueError) as error:
            raise InputError(f"expected a whole .parquet file at {file}, got a broken one; write it again") from error
    rows = islice(read_rows(file), 1 if form_of(file) == ".csv" else _FIRST_ROWS)
    return list(dict.fromkeys(name for _, row in rows for name in row))
