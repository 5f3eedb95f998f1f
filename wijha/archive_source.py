"""The files of a classified archive as a table that DuckDB reads lazily."""

from __future__ import annotations

import glob
import re
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from wijha.errors import InputError
from wijha.paths import is_output, outputs_below
from wijha.records import form_of, read_rows
from wijha.writing import FORMULA

_FIRST_ROWS = 1_000
_CSV_LINE = 1 << 26  # bytes; DuckDB's own limit is 2 MB
_PATH = "'path of the file'"  # of a column beside the file's own
_DEFUSED = f"^'([{re.escape(''.join(FORMULA))}])"  # the apostrophe that wijha.writing puts before a formula


def text_literal(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"


class Source:
    """The files of an archive, read by the places of their columns.

    DuckDB does not tell names apart that differ by case alone.
    """

    def __init__(self, path: Path, connection: Any) -> None:
        self.path = path
        files = archive_files(path)
        self._in_paths = partitions(path, files)
        self._files = _by_columns(files, connection)
        self.columns = list(dict.fromkeys(name for names in (*self._files, self._in_paths) for name in names))

    def select(self, wanted: list[str]) -> str:
        """SQL for all rows: the columns `wanted` as texts c0, c1 and so on, null where a file lacks one.

        Raises InputError when names in a .jsonl file differ by case alone, and both are wanted.
        """
        return " UNION ALL ".join(self._select(wanted, list(names), files) for names, files in self._files.items())

    def _select(self, wanted: list[str], names: list[str], files: list[Path]) -> str:
        if form_of(files[0]) == ".jsonl":
            names = self._different([name for name in dict.fromkeys(wanted) if name in names])
        values = [f"{self._value(name, names, files[0])} AS c{place}" for place, name in enumerate(wanted)]
        places = ", ".join([*(f"c{place}" for place in range(len(names))), "path"])
        return f"SELECT {', '.join(values)} FROM {_reader(files, names)} AS rows({places})"

    def _different(self, names: list[str]) -> list[str]:
        seen: dict[str, str] = {}
        for name in names:
            if (other := seen.setdefault(name.lower(), name)) != name:
                raise InputError(
                    f"expected names that differ by more than case in {self.path}, found {other} and {name}; rename one"
                )
        return names

    def _value(self, name: str, names: list[str], file: Path) -> str:
        """SQL for a column, of the paths below the archive or of the files."""
        if name in self._in_paths:
            above = len(str(file)) - len(str(file.relative_to(self.path)))
            behind = f"split_part('/' || substr(path, {above + 1}), {text_literal(f'/{name}=')}, 2)"
            return f"nullif(url_decode(split_part({behind}, '/', 1)), '__HIVE_DEFAULT_PARTITION__')"
        if name not in names:
            return "CAST(NULL AS VARCHAR)"
        value = f"CAST(c{names.index(name)} AS VARCHAR)"
        return f"regexp_replace({value}, {text_literal(_DEFUSED)}, '\\1')" if form_of(file) == ".csv" else value


def _reader(files: list[Path], names: list[str]) -> str:
    """The table function that reads files with the columns `names`; text as text, so that no type is guessed."""
    given = f"{_paths(files)}, hive_partitioning = false, filename = {_PATH}"
    suffix = form_of(files[0])
    if suffix == ".parquet":
        return f"read_parquet({given}, union_by_name = true)"
    if suffix == ".csv":
        return (
            f"read_csv({given}, header = true, all_varchar = true, union_by_name = true, delim = ',', quote = '\"', "
            f"max_line_size = {_CSV_LINE}, buffer_size = {_CSV_LINE})"
        )
    types = ", ".join(f"{text_literal(name)}: 'VARCHAR'" for name in names)
    return f"read_json({given}, format = 'newline_delimited', records = 'true', columns = {{{types}}})"


def _paths(files: list[Path]) -> str:
    return f"[{', '.join(text_literal(glob.escape(str(path))) for path in files)}]"


def archive_files(source: Path) -> list[Path]:
    """The file, or the files of a folder, all of one format; rows that `wijha predict` set aside are left out.

    Raises InputError when there is none, or several formats.
    """
    found = outputs_below(source) if source.is_dir() else [source] * is_output(source)
    if not found:
        raise InputError(
            f"expected predictions as .parquet, .jsonl or .csv at {source}, found none; run wijha predict first"
        )
    if len({form_of(path) for path in found}) > 1:
        raise InputError(
            f"expected files of one format in {source}, found several; name one of them, or have wijha predict write "
            "one (--format)"
        )
    return found


def partitions(source: Path, files: list[Path]) -> list[str]:
    """Columns that stand in the paths below `source`, as year of year=2024/; none where the files differ in them."""
    found = {tuple(part.split("=")[0] for part in path.relative_to(source).parts[:-1] if "=" in part) for path in files}
    return list(found.pop()) if len(found) == 1 else []


def _by_columns(files: list[Path], connection: Any) -> dict[tuple[str, ...], list[Path]]:
    """The files by the names of their columns, in order; .jsonl files, which have no order, together."""
    if form_of(files[0]) == ".jsonl":
        return {_keys(files, connection): files}
    groups: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        if names := _columns_of(file):
            groups.setdefault(names, []).append(file)
    return groups


def _columns_of(file: Path) -> tuple[str, ...]:
    """Names of a file's columns; none of a .csv file without rows."""
    if form_of(file) == ".csv":
        return tuple(name for _, row in islice(read_rows(file), 1) for name in row)
    try:
        return tuple(pq.read_schema(file).names)
    except (OSError, ValueError) as error:
        raise InputError(f"expected a whole .parquet file at {file}, got a broken one; write it again") from error


def _keys(files: list[Path], connection: Any) -> tuple[str, ...]:
    """The keys of all rows; the first rows give the order, and the sentence on what is no .jsonl file."""
    first = [name for file in files for _, row in islice(read_rows(file), _FIRST_ROWS) for name in row]
    query = f"SELECT DISTINCT unnest(json_keys(json)) AS name FROM read_ndjson_objects({_paths(files)}) ORDER BY name"
    return tuple(dict.fromkeys([*first, *(name for (name,) in connection.execute(query).fetchall())]))
