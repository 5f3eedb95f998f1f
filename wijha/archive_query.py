"""Counts and sample sentences of a classified archive, by topic, label, outlet and period, through DuckDB."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from wijha.archive_dates import WRITTEN, Calendar, day_of, last_day_of
from wijha.archive_source import Source, text_literal
from wijha.chunks import shown
from wijha.errors import InputError
from wijha.extras import need
from wijha.schema import Label, Schema

OUTLETS, SAMPLE = 12, 6
USUAL = Schema((), tuple(map(Label, ("absent", "neutral", "favor", "against"))), ("favor", "against"))
"""The labels of an archive whose model is not named."""
OTHERS, NO_OUTLET = "(other outlets)", "(no outlet)"
_SUFFIX = "_stance"
_HIJRI = 1600  # a year before it is hardly one of news
_PARTS = 12  # of a cell's texts, by their hashes: each gives one, so that copies of a text cannot crowd out the others
_AT_ONCE = 2_000_000  # rows whose texts are counted in one pass, so that memory does not grow


class Names(NamedTuple):
    """What the columns are called."""

    text: str = "text"
    date: str = "date"
    outlet: str = "outlet"


NAMES = Names()


@dataclass(frozen=True)
class Selection:
    """Which rows a report is about; empty means all."""

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


@dataclass(frozen=True)
class Cell:
    """Sentences of one topic with the same label, outlet and period ("" where the archive has none)."""

    label: str
    outlet: str
    period: str
    count: int
    sample: list[tuple[str, str]]
    """(text, outlet and date) of a few that differ, always the same few."""


@dataclass(frozen=True)
class Archive:
    """What the page shows."""

    sentences: int
    copies: int
    """Sentences that have the text of another one."""
    topics: list[str]
    read: dict[str, int]
    """Topic -> sentences that have a label for it, be it the absent one; a file may lack the topic."""
    present: dict[str, int]
    """Topic -> sentences that have it."""
    periods: list[str]
    unit: str
    cells: dict[str, list[Cell]]
    has_outlets: bool
    schema: Schema
    """The labels: the first is the absent one."""
    notes: list[str] = field(default_factory=list)
    """What cannot be shown, and why: a sentence each."""


def read_archive(source: Path, selection: Selection, names: Names = NAMES, schema: Schema = USUAL) -> Archive:
    """Aggregate the files of `source`, whose labels are those of `schema`, and its topics too where it has any.

    Raises InputError when they are not what `wijha predict` writes, or hold other labels.
    """
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
            return _Query(connection, Source(source, connection), names, selection, schema).archive()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"expected whole files of predictions in {source}, got: {reason}; mend them") from error


class _Query:
    def __init__(self, connection: Any, source: Source, names: Names, selection: Selection, schema: Schema) -> None:
        self.run, self.schema, self.names = connection.execute, schema, names
        self.columns, self.selection, self.notes = source.columns, selection, list[str]()
        self.topics = _topics(self.columns, schema)
        if not self.topics and (others := _topics(self.columns, USUAL)):
            raise InputError(
                f"expected topics of the model, {', '.join(schema.topic_names)}, in {source.path}, found "
                f"{', '.join(others)}; pass the model that wrote it as --model FOLDER"
            )
        if not self.topics or names.text not in self.columns:
            raise InputError(
                f"expected the columns {names.text} and <topic>{_SUFFIX} in {source.path}, found "
                f"{', '.join(self.columns) or 'no rows'}; give it what wijha predict wrote, or pass --text-column NAME"
            )
        rows = source.select([*names, *(topic + _SUFFIX for topic in self.topics)])
        self.stances = {topic: f"c{place}" for place, topic in enumerate(self.topics, 3)}
        self.run(
            f"CREATE TEMP VIEW archive AS SELECT c0 AS the_text, {day_of('c1')} AS the_day, "
            f"{last_day_of('c1', 'the_day')} AS the_last, nullif(trim(c2), '') AS the_outlet, "
            f"{', '.join(self.stances.values())} FROM ({rows})"
        )
        self.classified = f"({' OR '.join(map(self._read, self.topics))})"
        self.where, self.values = self._conditions()

    def _conditions(self) -> tuple[str, list[Any]]:
        """The selection as SQL; what cannot be selected by is said and passed over."""
        wanted, parts, values = self.selection, [self.classified], list[Any]()
        if wanted.outlets and self.names.outlet not in self.columns:
            self.notes.append(
                f"The archive has no column {self.names.outlet}: --outlet selects nothing and was left out."
            )
        elif wanted.outlets:
            parts.append(f"the_outlet IN ({', '.join('?' * len(wanted.outlets))})")
            values += wanted.outlets
        if (wanted.since or wanted.until) and self.names.date in self.columns:
            self._note_undated(" AND ".join(parts), values)
        for name, bound, value in (("since", "the_last >=", wanted.since), ("until", "the_day <=", wanted.until)):
            if value and self.names.date not in self.columns:
                self.notes.append(
                    f"The archive has no column {self.names.date}: --{name} selects nothing and was left out."
                )
            elif value:
                parts.append(f"{bound} ?")
                values.append(date.fromisoformat(value))
        return " AND ".join(parts), values

    def _note_undated(self, where: str, values: list[Any]) -> None:
        query = f"SELECT count(*) FROM archive WHERE {where} AND the_day IS NULL"
        if undated := self.run(query, values).fetchone()[0]:
            self.notes.append(f"{undated:,} sentences without a readable date are left out.")

    def archive(self) -> Archive:
        topics = [topic for topic in self.topics if not self.selection.topics or topic in self.selection.topics]
        for topic in self.selection.topics:
            if topic not in self.topics:
                self.notes.append(f"No topic {topic!r} in the archive; it has {', '.join(self.topics)}.")
        self._check_rows(topics)
        wanted = [*map(self._read, topics), *map(self._present, topics)]
        sums = "".join(f", count(*) FILTER ({each})" for each in wanted)
        total, *found = self.run(f"SELECT count(*){sums} FROM archive WHERE {self.where}", self.values).fetchone()
        read, counts = (dict(zip(topics, found[start:], strict=False)) for start in (0, len(topics)))
        if not total:
            self.notes.append("No row is selected: nothing to show. Loosen --topic, --outlet, --since or --until.")
        for topic in topics:
            if total and not counts[topic]:
                self.notes.append(f"No selected sentence is about {topic.replace('_', ' ')}: it has no chart.")
        shown = [topic for topic in topics if counts[topic]]
        calendar = self._calendar(shown)
        periods, unit = (calendar.periods, calendar.unit) if calendar else ([], "")
        outlets = self._outlets(shown)
        cells = {topic: self._cells(topic, calendar, outlets) for topic in shown}
        copies, notes = self._copies(total), self.notes
        return Archive(total, copies, shown, read, counts, periods, unit, cells, bool(outlets), self.schema, notes)

    def _copies(self, total: int) -> int:
        passes = -(-total // _AT_ONCE)
        query = (
            f"SELECT count(DISTINCT hash(the_text)) FROM archive WHERE {self.where} AND hash(the_text) % {passes} = ?"
        )
        return total - sum(int(self.run(query, [*self.values, part]).fetchone()[0]) for part in range(passes))

    def _check_rows(self, topics: list[str]) -> None:
        """Say how many rows no model has read. Raises InputError when a topic has a label that the schema has not."""
        known = ", ".join(map(text_literal, ("", *self.schema.label_names)))
        stances = [self.stances[topic] for topic in topics]
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

    def _read(self, topic: str) -> str:
        return f"{self.stances[topic]} <> ''"

    def _present(self, topic: str) -> str:
        return f"{self.stances[topic]} NOT IN ({text_literal(self.schema.absent)}, '')"

    def _calendar(self, topics: list[str]) -> Calendar | None:
        """The columns of the charts over time."""
        if not topics:
            return None
        if self.names.date not in self.columns:
            self.notes.append(
                f"No charts over time: the archive has no column {self.names.date}; --date-column names another."
            )
            return None
        seen = " OR ".join(self._present(topic) for topic in topics)
        counts = self.run(
            f"SELECT the_day, the_last, count(*) FROM archive WHERE ({seen}) AND {self.where} "
            "GROUP BY 1, 2 ORDER BY 1, 2",
            self.values,
        ).fetchall()
        dates, rows = [row for row in counts if row[0]], sum(count for *_, count in counts)
        if not dates:
            self.notes.append("No charts over time: no date of the archive can be read; write them as 2013-02-01.")
            return None
        dated = sum(count for *_, count in dates)
        if dated < rows:
            self.notes.append(
                f"{rows - dated:,} of {rows:,} sentences have no readable date: not in the charts over time."
            )
        calendar = Calendar.of(dates)
        self.notes += calendar.notes(dates)
        if calendar.first.year < _HIJRI:
            self.notes.append(
                "Years of the Hijri calendar are taken for Gregorian ones: write the dates as 2013-02-01."
            )
        return calendar

    def _outlets(self, topics: list[str]) -> list[str]:
        """The outlets with most sentences on the topics."""
        if not topics:
            return []
        if self.names.outlet not in self.columns:
            self.notes.append(
                f"No tables by outlet: the archive has no column {self.names.outlet}; --outlet-column names another."
            )
            return []
        seen = " OR ".join(self._present(topic) for topic in topics)
        rows = self.run(
            f"SELECT the_outlet, count(*) AS n FROM archive WHERE ({seen}) AND {self.where} AND the_outlet IS NOT NULL "
            f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {OUTLETS}",
            self.values,
        ).fetchall()
        if not rows:
            self.notes.append("No tables by outlet: no selected sentence has an outlet.")
        return [name for name, _ in rows]

    def _cells(self, topic: str, calendar: Calendar | None, outlets: list[str]) -> list[Cell]:
        period = calendar.period() if calendar else "''"
        listed = ", ".join(["?"] * len(outlets))
        outlet = (
            f"CASE WHEN the_outlet IN ({listed}) THEN the_outlet WHEN the_outlet IS NULL THEN '{NO_OUTLET}' "
            f"ELSE '{OTHERS}' END"
            if outlets
            else "''"
        )
        row = f"row(hash(the_text), concat_ws(' · ', the_outlet, {WRITTEN}), left(the_text, 1000))"
        parts = ", ".join(f"min({row}) FILTER (hash(the_text) % {_PARTS} = {part})" for part in range(_PARTS))
        rows = self.run(
            f"SELECT {self.stances[topic]}, {outlet}, {period} AS period, count(*), "
            f"min({row}, {SAMPLE}) || [{parts}] "
            f"FROM archive WHERE {self._present(topic)} AND {self.where} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            [*outlets, *self.values],
        ).fetchall()
        return [Cell(label, name, when, count, _distinct(sample)) for label, name, when, count, sample in rows]


def _topics(columns: list[str], schema: Schema) -> list[str]:
    """The topics that the model wrote: those of its schema, else those with a score beside the stance, where there are
    any; a stance of one's own is none."""
    found = [name.removesuffix(_SUFFIX) for name in columns if name.endswith(_SUFFIX)]
    if schema.topics:
        return [topic for topic in found if topic in schema.topic_names]
    return [topic for topic in found if f"{topic}_score" in columns] or found


def _distinct(rows: list[tuple[int, str, str | None] | None]) -> list[tuple[str, str]]:
    """(text, note) of the lowest hashes; `rows` holds hash, note and text, or nothing for an empty part."""
    texts = {row[0]: (row[2] or "", row[1]) for row in sorted(filter(None, rows), reverse=True)}
    return [texts[key] for key in sorted(texts)][:SAMPLE]
