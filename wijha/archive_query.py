"""Counts and sample sentences of a classified archive, by topic, label, outlet and period, through DuckDB."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wijha.archive_dates import WRITTEN, Calendar
from wijha.archive_rows import NAMES, USUAL, ArchiveRows, Names, Selection, connected
from wijha.schema import Schema

OUTLETS, SAMPLE = 12, 6
OTHERS, NO_OUTLET = "(other outlets)", "(no outlet)"
_HIJRI = 1600  # a year before it is hardly one of news
_PARTS = 12  # of a cell's texts, by their hashes: each gives one, so that copies of a text cannot crowd out the others
_AT_ONCE = 2_000_000  # rows whose texts are counted in one pass, so that memory does not grow


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
    with connected(source) as connection:
        return _Query(connection, source, selection, names, schema).archive()


class _Query(ArchiveRows):
    def archive(self) -> Archive:
        topics = self.chosen
        wanted = [*map(self.read, topics), *map(self.present, topics)]
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

    def _calendar(self, topics: list[str]) -> Calendar | None:
        """The columns of the charts over time."""
        if not topics:
            return None
        if self.names.date not in self.columns:
            self.notes.append(
                f"No charts over time: the archive has no column {self.names.date}; --date-column names another."
            )
            return None
        seen = " OR ".join(self.present(topic) for topic in topics)
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
        seen = " OR ".join(self.present(topic) for topic in topics)
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
            f"FROM archive WHERE {self.present(topic)} AND {self.where} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            [*outlets, *self.values],
        ).fetchall()
        return [Cell(label, name, when, count, _distinct(sample)) for label, name, when, count, sample in rows]


def _distinct(rows: list[tuple[int, str, str | None] | None]) -> list[tuple[str, str]]:
    """(text, note) of the lowest hashes; `rows` holds hash, note and text, or nothing for an empty part."""
    texts = {row[0]: (row[2] or "", row[1]) for row in sorted(filter(None, rows), reverse=True)}
    return [texts[key] for key in sorted(texts)][:SAMPLE]
