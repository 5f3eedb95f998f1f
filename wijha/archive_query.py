"""Counts and sample sentences of a classified archive, by topic, label, outlet and period, through DuckDB."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from wijha.archive_source import archive_files, column_names, quoted, reader, text_literal, trimmed
from wijha.chunks import shown
from wijha.errors import InputError
from wijha.extras import need
from wijha.schema import Label, Schema

OUTLETS, PERIODS, SAMPLE = 12, 36, 6
USUAL = Schema((), tuple(map(Label, ("absent", "neutral", "favor", "against"))), ("favor", "against"))
"""The labels of an archive whose model is not named."""
OTHERS, NO_OUTLET = "(other outlets)", "(no outlet)"
_SUFFIX = "_stance"
_UNITS = (("day", 1, "%Y-%m-%d"), ("month", 30, "%Y-%m"), ("quarter", 91, ""), ("year", 365, "%Y"))


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


@dataclass(frozen=True)
class Cell:
    """Sentences of one topic with the same label, outlet and period ("" where the archive has none)."""

    label: str
    outlet: str
    period: str
    count: int
    sample: list[tuple[str, str]]
    """(text, outlet and date) of a few of them, always the same few."""


@dataclass(frozen=True)
class Archive:
    """What the page shows."""

    sentences: int
    topics: list[str]
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


def read_archive(source: Path, selection: Selection, column: str = "text", schema: Schema = USUAL) -> Archive:
    """Aggregate the files of `source`, whose labels are those of `schema`.

    Raises InputError when they are not what `wijha predict` writes, or hold other labels.
    """
    duckdb = need("duckdb", "report")
    files = archive_files(source)
    columns = column_names(source, files)
    topics = [name.removesuffix(_SUFFIX) for name in columns if name.endswith(_SUFFIX)]
    if not topics or column not in columns:
        raise InputError(
            f"expected the columns {column} and <topic>{_SUFFIX} in {source}, found {', '.join(columns)}; "
            "give it a file that wijha predict wrote"
        )
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        for setting in (
            "autoinstall_known_extensions = false",
            "enable_progress_bar = false",
            "memory_limit = '2GB'",
            f"temp_directory = '{spill}'",
        ):
            connection.execute(f"SET {setting}")
        try:
            table = reader(source, files, columns)
            return _Query(connection, table, columns, column, selection, schema).archive(topics)
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"expected whole files of predictions in {source}, got: {reason}; mend them") from error


class _Query:
    def __init__(
        self,
        connection: Any,
        table: str,
        columns: list[str],
        column: str,
        selection: Selection,
        schema: Schema,
    ) -> None:
        self.run, self.schema = connection.execute, schema
        self.columns, self.selection, self.notes = columns, selection, list[str]()
        text, outlet = quoted(column), "outlet" in columns
        day = f"CAST(try_strptime(left(CAST(date AS VARCHAR), 10), {_DATES}) AS DATE)" if "date" in columns else "NULL"
        self.run(
            f"CREATE TEMP VIEW archive AS SELECT *, CAST({text} AS VARCHAR) AS the_text, {day} AS the_day, "
            f"{trimmed('outlet') if outlet else 'NULL'} AS the_outlet FROM {table}"
        )
        self.where, self.values = self._conditions()

    def _conditions(self) -> tuple[str, list[Any]]:
        """The selection as SQL; what cannot be selected by is said and passed over."""
        wanted, parts, values = self.selection, ["true"], list[Any]()
        if wanted.outlets and "outlet" not in self.columns:
            self.notes.append("The archive has no column outlet: --outlet selects nothing and was left out.")
        elif wanted.outlets:
            parts.append(f"the_outlet IN ({', '.join('?' * len(wanted.outlets))})")
            values += wanted.outlets
        for name, sign, value in (("since", ">=", wanted.since), ("until", "<=", wanted.until)):
            if value and "date" not in self.columns:
                self.notes.append(f"The archive has no column date: --{name} selects nothing and was left out.")
            elif value:
                parts.append(f"the_day {sign} ?")
                values.append(date.fromisoformat(value))
        return " AND ".join(parts), values

    def archive(self, known: list[str]) -> Archive:
        topics = [topic for topic in known if not self.selection.topics or topic in self.selection.topics]
        for topic in self.selection.topics:
            if topic not in known:
                self.notes.append(f"No topic {topic!r} in the archive; it has {', '.join(known)}.")
        self._check_labels(topics)
        sums = ", ".join([f"count(*) FILTER ({self._present(topic)})" for topic in topics] or ["0"])
        total, *present = self.run(f"SELECT count(*), {sums} FROM archive WHERE {self.where}", self.values).fetchone()
        counts = dict(zip(topics, present, strict=False))
        if not total:
            self.notes.append("No row is selected: nothing to show. Loosen --topic, --outlet, --since or --until.")
        for topic in topics:
            if total and not counts[topic]:
                self.notes.append(f"No selected sentence is about {topic.replace('_', ' ')}: it has no chart.")
        shown = [topic for topic in topics if counts[topic]]
        unit, periods = self._periods(shown)
        outlets = self._outlets(shown)
        cells = {topic: self._cells(topic, unit, periods, outlets) for topic in shown}
        return Archive(total, shown, counts, periods, unit, cells, bool(outlets), self.schema, self.notes)

    def _check_labels(self, topics: list[str]) -> None:
        """Raises InputError when a topic has a label that is none of the schema's."""
        known = ", ".join(map(text_literal, ("", *self.schema.label_names)))
        sums = [f"min({_stance(topic)}) FILTER ({_stance(topic)} NOT IN ({known}))" for topic in topics] or ["NULL"]
        found = [label for label in self.run(f"SELECT {', '.join(sums)} FROM archive").fetchone() if label is not None]
        if found:
            raise InputError(
                f"expected the labels {', '.join(self.schema.label_names)} in the archive, found {shown(found[:1])}; "
                "pass the model that wrote it as --model FOLDER"
            )

    def _present(self, topic: str) -> str:
        return f"{_stance(topic)} NOT IN ({text_literal(self.schema.absent)}, '')"

    def _periods(self, topics: list[str]) -> tuple[str, list[str]]:
        """The finest unit that gives few enough columns, and their names, from the first day to the last."""
        if not topics:
            return "", []
        if "date" not in self.columns:
            self.notes.append("No charts over time: the archive has no column date.")
            return "", []
        seen = " OR ".join(self._present(topic) for topic in topics)
        first, last, dated, rows = self.run(
            f"SELECT min(the_day), max(the_day), count(the_day), count(*) FROM archive WHERE ({seen}) AND {self.where}",
            self.values,
        ).fetchone()
        if not dated:
            self.notes.append("No charts over time: no date of the archive can be read; write them as 2013-02-01.")
            return "", []
        if dated < rows:
            self.notes.append(
                f"{rows - dated:,} of {rows:,} sentences have no readable date: not in the charts over time."
            )
        unit = next((name for name, days, _ in _UNITS if (last - first).days / days < PERIODS - 1), "year")
        periods = list(dict.fromkeys(_period(first.toordinal() + n, unit) for n in range((last - first).days + 1)))
        if len(periods) > PERIODS:
            self.notes.append(f"The dates span {len(periods)} years: the charts show the last {PERIODS} of them.")
        return unit, periods[-PERIODS:]

    def _outlets(self, topics: list[str]) -> list[str]:
        """The outlets with most sentences on the topics."""
        if not topics:
            return []
        if "outlet" not in self.columns:
            self.notes.append("No tables by outlet: the archive has no column outlet.")
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

    def _cells(self, topic: str, unit: str, periods: list[str], outlets: list[str]) -> list[Cell]:
        period = f"{_NAMES[unit]}" if unit else "''"
        listed = ", ".join(["?"] * len(outlets))
        outlet = (
            f"CASE WHEN the_outlet IN ({listed}) THEN the_outlet WHEN the_outlet IS NULL THEN '{NO_OUTLET}' "
            f"ELSE '{OTHERS}' END"
            if outlets
            else "''"
        )
        note = "concat_ws(' · ', the_outlet, CAST(the_day AS VARCHAR))"
        rows = self.run(
            f"SELECT {_stance(topic)}, {outlet}, coalesce({period}, '') AS period, count(*), "
            f"min_by([left(the_text, 1000), {note}], hash(the_text), {SAMPLE}) "
            f"FROM archive WHERE {self._present(topic)} AND {self.where} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            [*outlets, *self.values],
        ).fetchall()
        return [
            Cell(label, name, when, count, list(dict.fromkeys((text or "", where) for text, where in sample)))
            for label, name, when, count, sample in rows
        ]


_DATES = "['%Y-%m-%d', '%Y/%m/%d', '%d/%m/%Y', '%Y-%m', '%Y']"
_NAMES = {
    "day": "strftime(the_day, '%Y-%m-%d')",
    "month": "strftime(the_day, '%Y-%m')",
    "quarter": "concat(year(the_day), '-Q', quarter(the_day))",
    "year": "strftime(the_day, '%Y')",
}


def _period(ordinal: int, unit: str) -> str:
    day = date.fromordinal(ordinal)
    names = {name: form for name, _, form in _UNITS}
    return f"{day.year}-Q{(day.month + 2) // 3}" if unit == "quarter" else day.strftime(names[unit])


def _stance(topic: str) -> str:
    return f"CAST({quoted(topic + _SUFFIX)} AS VARCHAR)"
