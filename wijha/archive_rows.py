"""The rows of a classified archive that somebody wants to see, as a table to ask through DuckDB."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from wijha.archive_dates import day_of, last_day_of
from wijha.archive_source import Source, text_literal
from wijha.chunks import shown
from wijha.errors import InputError
from wijha.extras import need
from wijha.schema import SCORE, STANCE, TARGET, Label, Schema

USUAL = Schema((), tuple(map(Label, ("absent", "neutral", "favor", "against"))), ("favor", "against"))
"""The labels of an archive whose model is not named."""


class Names(NamedTuple):
    """What the columns are called."""

    text: str = "text"
    date: str = "date"
    outlet: str = "outlet"


NAMES = Names()


@dataclass(frozen=True)
class Selection:
    """Which rows a report or a sample is of; empty means all."""

    topics: tuple[str, ...] = ()
    outlets: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            try:
                date.fromisoformat(getattr(self, name) or "2000-01-01")
            except ValueError:
                raise InputError(
                    f"expected a day such as 2013-02-01 for --{name}, got {getattr(self, name)!r}; mend it"
                ) from None
        if self.since and self.until and date.fromisoformat(self.since) > date.fromisoformat(self.until):
            raise InputError(f"expected --since before --until, got {self.since} and {self.until}; mend one")


def add_selection(command: argparse.ArgumentParser) -> None:
    """Add the options of which rows, by which columns."""
    command.add_argument("--topic", action="append", metavar="NAME", help="only this topic (may be repeated)")
    command.add_argument("--outlet", action="append", metavar="NAME", help="only this outlet (may be repeated)")
    command.add_argument("--since", metavar="DATE", help="only from this day on: 2013-02-01")
    command.add_argument("--until", metavar="DATE", help="only up to this day")
    for name, what in zip(Names._fields, ("the sentences", "the dates", "who published them"), strict=True):
        command.add_argument(f"--{name}-column", default=name, metavar="NAME", help=f"the column of {what} ({name})")
    command.add_argument(
        "--model",
        type=Path,
        help=f"the model that wrote it (default: one with the labels {', '.join(USUAL.label_names)})",
    )


def selection_of(arguments: argparse.Namespace) -> tuple[Selection, Names, Schema]:
    """What `add_selection` was given. Raises InputError for what is no day and no model."""
    selection = Selection(tuple(arguments.topic or ()), tuple(arguments.outlet or ()), arguments.since, arguments.until)
    schema = USUAL
    if arguments.model:
        from wijha.classifier import read_schema  # slow to import: --help must not wait for it

        schema = read_schema(arguments.model)
    return selection, Names(arguments.text_column, arguments.date_column, arguments.outlet_column), schema


@contextmanager
def connected(source: Path) -> Iterator[Any]:
    """A connection for files of `source`. Raises InputError for what DuckDB cannot read."""
    duckdb = need("duckdb", "report")
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        for setting in (
            "autoinstall_known_extensions = false",
            "enable_progress_bar = false",
            "memory_limit = '2GB'",
            f"temp_directory = '{spill}'",
            "TimeZone = 'UTC'",
        ):
            connection.execute(f"SET {setting}")
        try:
            yield connection
        except (RuntimeError, duckdb.InterruptException) as error:  # by Ctrl-C DuckDB raises either
            if "interrupt" not in str(error).lower():
                raise
            raise KeyboardInterrupt from error
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"expected whole files of predictions in {source}, got: {reason}; mend them") from error


class ArchiveRows:
    """A classified archive as the view `archive`: the_text, the_day, the_last, the_outlet, and of each topic the
    columns of `stances` and, where there, `scores`. `where` with `values` is what a selection wants of it.

    Raises InputError when the files are not what `wijha predict` writes, or hold topics of another model.
    """

    def __init__(self, connection: Any, path: Path, selection: Selection, names: Names, schema: Schema) -> None:
        source = Source(path, connection)
        self.run, self.schema, self.names = connection.execute, schema, names
        self.columns, self.selection, self.notes = source.columns, selection, list[str]()
        self.topics = _topics(self.columns, schema)
        if not self.topics and (others := _topics(self.columns, USUAL)):
            raise InputError(
                f"expected topics of the model, {', '.join(schema.topic_names)}, in {path}, found "
                f"{', '.join(others)}; pass the model that wrote it as --model FOLDER"
            )
        if not self.topics or names.text not in self.columns:
            raise InputError(
                f"expected the columns {names.text} and <topic>{STANCE} in {path}, found "
                f"{', '.join(self.columns) or 'no rows'}; give it what wijha predict wrote, or pass --text-column NAME"
            )
        scored = [topic for topic in self.topics if topic + SCORE in self.columns]
        wanted = [*names, *(topic + STANCE for topic in self.topics), *(topic + SCORE for topic in scored)]
        self.stances = {topic: f"c{place}" for place, topic in enumerate(self.topics, len(names))}
        self.scores = {topic: f"c{place}" for place, topic in enumerate(scored, len(names) + len(self.topics))}
        self.run(
            f"CREATE TEMP VIEW archive AS SELECT c0 AS the_text, {day_of('c1')} AS the_day, "
            f"{last_day_of('c1', 'the_day')} AS the_last, nullif(trim(c2), '') AS the_outlet, "
            f"{', '.join([*self.stances.values(), *self.scores.values()])} FROM ({source.select(wanted)})"
        )
        self.classified = f"({' OR '.join(map(self.read, self.topics))})"
        self.where, self.values = self._conditions()
        self.chosen = [topic for topic in self.topics if not selection.topics or topic in selection.topics]
        for topic in selection.topics:
            if topic not in self.topics:
                self.notes.append(f"No topic {topic!r} in the archive; it has {', '.join(self.topics)}.")
        self._check_labels()

    @property
    def lacking(self) -> dict[str, str]:
        """Options of the selection -> the column that each selects by and the archive has not."""
        wanted, names = self.selection, self.names
        by = {"outlet": (wanted.outlets, names.outlet), "since": (wanted.since, names.date)}
        by["until"] = (wanted.until, names.date)
        return {option: column for option, (value, column) in by.items() if value and column not in self.columns}

    def _conditions(self) -> tuple[str, list[Any]]:
        """The selection as SQL; what cannot be selected by is said and passed over."""
        wanted, lacking, parts, values = self.selection, self.lacking, [self.classified], list[Any]()
        for option, column in lacking.items():
            self.notes.append(f"The archive has no column {column}: --{option} selects nothing and was left out.")
        if wanted.outlets and "outlet" not in lacking:
            parts.append(f"the_outlet IN ({', '.join('?' * len(wanted.outlets))})")
            values += wanted.outlets
        if (wanted.since or wanted.until) and self.names.date in self.columns:
            self._note_dates(" AND ".join(parts), values)
        for name, bound, value in (("since", "the_last >=", wanted.since), ("until", "the_day <=", wanted.until)):
            if value and name not in lacking:
                parts.append(f"{bound} ?")
                values.append(date.fromisoformat(value))
        return " AND ".join(parts), values

    def _note_dates(self, where: str, values: list[Any]) -> None:
        """Say how many rows have no date, and how many one of a month or year that lies partly outside."""
        since, until = (value and date.fromisoformat(value) for value in (self.selection.since, self.selection.until))
        partly = "(the_day < ? AND the_last >= ?) OR (the_day <= ? AND the_last > ?)"
        query = f"SELECT count(*) FILTER (the_day IS NULL), count(*) FILTER ({partly}) FROM archive WHERE {where}"
        undated, beyond = self.run(query, [since, since, until, until, *values]).fetchone()
        if undated:
            self.notes.append(f"{undated:,} sentences without a readable date are left out.")
        if beyond:
            self.notes.append(
                f"{beyond:,} sentences are dated by a month or year alone that lies partly outside: they are taken in, "
                "in a neighbouring period too."
            )

    def _check_labels(self) -> None:
        """Say how many rows no model has read. Raises InputError when a topic has a label that the schema has not."""
        known = ", ".join(map(text_literal, ("", *self.schema.label_names)))
        stances = [self.stances[topic] for topic in self.chosen]
        sums = [f"count(*) FILTER ({self.classified} IS NOT true)"]
        sums += [f"min({stance}) FILTER ({stance} NOT IN ({known}))" for stance in stances]
        unread, *labels = self.run(f"SELECT {', '.join(sums)} FROM archive").fetchone()
        if unread:
            self.notes.append(f"{unread:,} rows have no stance of any topic, as no model has read them: left out.")
        if found := [label for label in labels if label is not None]:
            raise InputError(
                f"expected the labels {', '.join(self.schema.label_names)} in the archive, found {shown(found[:1])}; "
                "pass the model that wrote it as --model FOLDER"
            )

    def read(self, topic: str) -> str:
        """SQL: whether a model has read the row for the topic."""
        return f"{self.stances[topic]} <> ''"

    def present(self, topic: str) -> str:
        """SQL: whether the row has the topic."""
        return f"{self.stances[topic]} NOT IN ({text_literal(self.schema.absent)}, '')"


def _topics(columns: list[str], schema: Schema) -> list[str]:
    """The topics that the model wrote: those of its schema and, with its score, the target that it was asked for, else
    those with a score beside the stance, where there are any; a stance of one's own is none."""
    found = [name.removesuffix(STANCE) for name in columns if name.endswith(STANCE)]
    scored = [topic for topic in found if topic + SCORE in columns]
    if schema.topics:
        return [topic for topic in found if topic in schema.topic_names or (topic == TARGET and topic in scored)]
    return scored or found
