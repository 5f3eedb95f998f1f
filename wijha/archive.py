"""wijha report: what a classified archive says over time, by topic and by outlet, as one HTML page.

The archive is read by DuckDB, a column at a time, and only counts and a bounded sample of sentences come back: memory
does not grow with the rows.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from wijha.archive_query import SAMPLE, Archive, Cell, read_archive
from wijha.archive_rows import NAMES, USUAL, Names, Selection, add_selection, selection_of
from wijha.errors import InputError
from wijha.files import write_text
from wijha.pages import SHARED, render
from wijha.schema import Schema

_POLAR, _OTHERS = (0, 2), (1, 3, 4)  # numbers of colours: of the two sides of a stance, of other labels in turn
_LEFT, _WIDTH, _HEIGHT = 42, 640, 220
_FEW = 10  # sentences; shares of fewer are faint and have no colour


def add_parser(commands: Any) -> None:
    """Add `report` to the command line's subcommands."""
    command = commands.add_parser(
        "report", help="a page on a classified archive", description="One HTML page on files that wijha predict wrote."
    )
    command.add_argument("archive", metavar="PREDICTIONS", type=Path, help=".parquet, .jsonl, .csv, or a folder of one")
    command.add_argument("page", metavar="OUT.html", type=Path, help="the page to write")
    add_selection(command)
    command.set_defaults(command=report)


def report(arguments: argparse.Namespace) -> None:
    """wijha report."""
    archive_report(arguments.archive, arguments.page, *selection_of(arguments))
    print(f"report: {arguments.page}")


def archive_report(
    source: Path, target: Path, selection: Selection | None = None, names: Names = NAMES, schema: Schema = USUAL
) -> None:
    """Write the page on `source`, whose labels are those of `schema`, to `target`.

    What a page cannot show for want of dates, outlets or rows it says in place. Raises InputError when `source` is
    not a classified archive at all or `target` is not an .html file that can be written.
    """
    if target.suffix.lower() != ".html":
        raise InputError(f"expected an .html file to write, got {target.name}; rename it")
    archive = read_archive(source, selection or Selection(), names, schema)
    texts = Texts()
    charts = [TopicChart.of(topic, archive, texts) for topic in archive.topics]
    page = render(
        "archive.html.jinja",
        script=(SHARED / "archive.js").read_text(encoding="utf-8"),
        title=f"What {source.resolve().name} says",
        archive=archive,
        charts=charts,
        box={"left": _LEFT, "width": _WIDTH, "height": _HEIGHT},
        few=_FEW,
        data={"texts": texts.rows, "points": texts.points},
    )
    try:
        write_text(target, page)
    except OSError as error:
        raise InputError(f"expected a place to write {target} to, found: {error.strerror}; name another") from error


class Texts:
    """The sentences behind the points, each stored once; a point is a heading and numbers of sentences."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []
        self.points: list[dict[str, Any]] = []
        self._number: dict[tuple[str, str], int] = {}

    def point(self, title: str, total: int, sample: list[tuple[str, str]]) -> dict[str, Any]:
        """Remember a point; `sample` holds (text, note). Returns what its link needs."""
        for row in sample:
            if row not in self._number:
                self._number[row] = len(self.rows)
                self.rows.append(row)
        self.points.append({"title": title, "total": total, "texts": [self._number[row] for row in sample]})
        return {"number": len(self.points) - 1, "title": title}


@dataclass(frozen=True)
class TopicChart:
    """A topic's columns over time and its table of outlets, ready to draw."""

    name: str
    labels: dict[str, int]
    """The labels that occur, in the order of the schema, and the numbers of their colours."""
    totals: list[dict[str, Any]]
    """By label: count, share, colour, point."""
    bars: list[dict[str, Any]]
    """Segments of the columns: x, y, width, height, colour, whether the column has few sentences, point."""
    periods: list[dict[str, Any]]
    """Columns: name, middle, count, whether the name is printed."""
    outlets: list[dict[str, Any]]
    """Rows of the table: name, count, and by period a cell or None."""

    @classmethod
    def of(cls, topic: str, archive: Archive, texts: Texts) -> TopicChart:
        """Lay out the counts of one topic."""
        cells, periods, name = archive.cells[topic], archive.periods, _heading(topic, archive.schema)
        found = {cell.label for cell in cells}
        labels = {label: colour for label, colour in _colours(archive.schema).items() if label in found}
        count = sum(cell.count for cell in cells)
        totals = []
        for label, colour in labels.items():
            point = _point(texts, f"{name}: {label}", [cell for cell in cells if cell.label == label])
            totals.append({"label": label, "share": point["count"] / count, "colour": colour, **point})
        bars, columns = _columns(name, labels, cells, periods, texts)
        return cls(name, labels, totals, bars, columns, _outlets(name, archive.schema.polar, cells, periods, texts))


def _heading(topic: str, schema: Schema) -> str:
    """The topic as its schema calls it, in both languages, where there is one."""
    known = next((each for each in schema.topics if each.name == topic), None)
    return f"{known.english or topic.replace('_', ' ')} {known.arabic}".strip() if known else topic.replace("_", " ")


def _colours(schema: Schema) -> dict[str, int]:
    """The labels but the absent one, each with the number of its colour."""
    others, polar = cycle(_OTHERS), dict(zip(schema.polar, _POLAR, strict=False))
    return {label: polar[label] if label in polar else next(others) for label in schema.label_names[1:]}


def _columns(
    name: str, labels: dict[str, int], cells: list[Cell], periods: list[str], texts: Texts
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Stacked columns of shares, one a period."""
    step = (_WIDTH - _LEFT) / max(len(periods), 1)
    every = -(-len(periods) // 9)
    bars, columns = [], []
    for place, period in enumerate(periods):
        here = [cell for cell in cells if cell.period == period]
        total, top, x = sum(cell.count for cell in here), 0.0, _LEFT + place * step
        columns.append({"name": period, "middle": x + step / 2, "count": total, "named": place % every == 0})
        for label, colour in labels.items():
            mine = [cell for cell in here if cell.label == label]
            if mine:
                point = _point(texts, f"{name}, {period}: {label}", mine, total)
                height = _HEIGHT * point["count"] / total
                box = {"x": x + 1, "y": top, "width": max(step - 2, 1), "height": height}
                bars.append({**box, "colour": colour, "few": total < _FEW, **point})
                top += height
    return bars, columns


def _outlets(
    name: str, polar: tuple[str, ...], cells: list[Cell], periods: list[str], texts: Texts
) -> list[dict[str, Any]]:
    """A row an outlet: in each period the count, coloured by the balance of the two sides of a stance."""
    sizes = Counter(dict.fromkeys({cell.outlet for cell in cells if cell.outlet}, 0))
    for cell in cells:
        if cell.outlet:
            sizes[cell.outlet] += cell.count
    rows = []
    for outlet, size in sorted(sizes.items(), key=lambda item: (item[0].startswith("("), -item[1], item[0])):
        mine = [cell for cell in cells if cell.outlet == outlet]
        total = _balanced(texts, f"{name}, {outlet}", mine, polar)
        groups = [[cell for cell in mine if cell.period == period] for period in periods]
        shown = [
            _balanced(texts, f"{name}, {outlet}, {period}", group, polar) if group else None
            for period, group in zip(periods, groups, strict=True)
        ]
        rows.append({"name": outlet, "count": size, "total": total, "cells": shown})
    return rows


def _balanced(texts: Texts, title: str, cells: list[Cell], polar: tuple[str, ...]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for cell in cells:
        counts[cell.label] += cell.count
    balance = (counts[polar[0]] - counts[polar[1]]) / max(counts.total(), 1) if len(polar) == 2 else 0
    note = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    return _point(texts, f"{title} ({note})", cells) | {"balance": balance}


def _point(texts: Texts, title: str, cells: list[Cell], of: int | None = None) -> dict[str, Any]:
    count = sum(cell.count for cell in cells)
    title = f"{title}, {count:,} of {of:,} ({count / of:.0%})" if of else title
    rows = [row for group in zip(*(_padded(cell.sample) for cell in cells), strict=True) for row in group if row]
    sample: dict[str, tuple[str, str]] = {}
    for row in rows:
        sample.setdefault(row[0], row)  # once, also where several outlets print it
    return {"count": count, **texts.point(title, count, list(sample.values())[:SAMPLE])}


def _padded(sample: list[tuple[str, str]]) -> list[tuple[str, str] | None]:
    """Samples of equal length, so that every cell gives its first sentence before any gives its second."""
    return [*sample, *([None] * (SAMPLE - len(sample)))]
