"""Labelled rows of other newsrooms and of annotation tools into our JSONL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from train.corpus.label_studio import Export, read_export
from train.corpus.problems import refuse
from train.data import filled_rows, first_filled, is_empty, stripped
from wijha.errors import InputError
from wijha.schema import Schema
from wijha.text import key
from wijha.writing import Row, write_rows

_OWN = ("id", "text", "story", "outlet", "date")
SOURCE_ID = "source_id"  # the tools number their tasks anew under `id`
Pairs = Sequence[tuple[str, str]]


def pairs(option: str, name: str) -> list[tuple[str, str]]:
    """`a=b,c=d` as [("a", "b"), ("c", "d")]."""
    found = [part.partition("=")[::2] for part in option.split(",") if part.strip()]
    if wrong := [ours for ours, theirs in found if not ours.strip() or not theirs]:
        raise InputError(f"expected {name} ours=theirs,ours=theirs, found {wrong[0]!r} without a partner; add it")
    return [(ours.strip(), theirs) for ours, theirs in found]


def import_file(
    source: Path,
    output: Path,
    schema: Schema,
    columns: Pairs = (),
    labels: Pairs = (),
    annotator: str = "",
    missing_is_absent: bool = False,
) -> int:
    """Write the rows of a table or of a tool's export as our JSONL; returns how many.

    `columns` and `labels` are (ours, theirs). A topic left open stays without a label and trains nothing, unless
    `missing_is_absent`; rows without any label are left out and counted.
    Raises InputError for a column, or a topic, that is nowhere in the file, and one naming every row that is wrong.
    """
    names = _column_names(columns, schema)
    known = _label_names(labels, schema)
    if output.suffix != ".jsonl":
        raise InputError(f"expected a .jsonl output, found {output.name}; rename it")
    topics = [names.get(topic, topic) for topic in schema.topic_names]
    others = [names.get("text", "text"), *(names[ours] for ours in _OWN if ours in names and ours != "text")]
    if source.suffix == ".json":
        kind, found = "task", _task_rows(source, topics, others, annotator, missing_is_absent)
    else:
        kind, found = "line", _table_rows(source, topics, others)
    rows, problems, undone = [], [], 0
    for number, row in found:
        try:
            made = row and _imported(row, f"{source.stem}-{number}", names, known, schema, missing_is_absent)
        except InputError as error:
            problems.append(f"{kind} {number}: {error}")
            continue
        if made and any(made[topic] for topic in schema.topic_names):
            rows.append(made)
        else:
            undone += 1
    if not rows and not problems:
        raise InputError(f"expected labelled rows in {source}, found none; check the export")
    refuse(
        f"rows with a text and known labels in {source}", problems, "mend them, or name columns by --map and --labels:"
    )
    count = write_rows(rows, output)
    print(f"{count:,} sentences -> {output}" + (f", {undone:,} without a label left out" if undone else ""))
    return count


def _column_names(columns: Pairs, schema: Schema) -> dict[str, str]:
    ours = (*_OWN, *schema.topic_names)
    if unknown := [name for name, _ in columns if name not in ours]:
        raise InputError(
            f"expected --map of {', '.join(ours)}, found {', '.join(unknown)}; put our name before the =, "
            "and name topics of your own by --schema"
        )
    return dict(columns)


def _label_names(labels: Pairs, schema: Schema) -> dict[str, str]:
    """What a label may be called -> the label: its name, its Arabic name, theirs."""
    if unknown := [name for name, _ in labels if name not in schema.label_names]:
        raise InputError(
            f"expected --labels of {', '.join(schema.label_names)}, found {', '.join(unknown)}; "
            "put our name before the =, and name labels of your own by --schema"
        )
    own = {label.arabic: label.name for label in schema.labels} | {name: name for name in schema.label_names}
    return own | {theirs: ours for ours, theirs in labels}


def _imported(
    row: Row, name: str, columns: Mapping[str, str], known: Mapping[str, str], schema: Schema, fill: bool
) -> Row:
    name_of_text = columns.get("text", "text")
    if name_of_text not in row:
        raise InputError(f"no column {name_of_text}, only {', '.join(map(str, row))}")
    rest = {theirs: value for theirs, value in row.items() if theirs not in columns.values()}
    row = {**rest, **{ours: row.get(theirs) for ours, theirs in columns.items()}}
    if is_empty(row["text"]):
        raise InputError(f"its {name_of_text} is empty")
    if not isinstance(row["text"], str):
        raise InputError(f"its {name_of_text} is {row['text']!r:.60}, not a text")
    labels = {topic: _label(row.pop(topic, None), topic, known, schema, fill) for topic in schema.topic_names}
    theirs = first_filled(row.get(SOURCE_ID), row.get("id"))
    own = {"id": str(first_filled(theirs, name)), "text": row["text"].strip(), **labels}
    if first_filled(theirs, row.get("story"), row.get("group")) is None:
        own["story"] = key(own["text"])  # a line number would move the row between splits
    return own | {column: value for column, value in row.items() if column not in (*own, SOURCE_ID)}


def _label(value: Any, topic: str, known: Mapping[str, str], schema: Schema, fill: bool) -> str | None:
    value = stripped(value)
    if is_empty(value):
        return schema.absent if fill else None
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{topic} is {value!r}, not one of {', '.join(filter(None, known))}")
    return known[value]


Numbered = Sequence[tuple[int, Row | None]]
"""Line or task number, and row; None for a task not done."""


def _table_rows(source: Path, topics: Sequence[str], others: Sequence[str]) -> Numbered:
    """The rows of a table or a doccano JSONL. `topics` and `others` are the columns to find there."""
    rows = [(number, _tags(row, topics, f"{source} line {number}")) for number, row in filled_rows(source)]
    if rows:
        advice = "name theirs by --map ours=theirs, or add a column that is empty for a topic that nobody read"
        _find("columns", [*others, *topics], (column for _, row in rows for column in row), source, advice)
    return rows


def _task_rows(source: Path, topics: Sequence[str], others: Sequence[str], annotator: str, fill: bool) -> Numbered:
    """The rows of a Label Studio JSON. A topic that nobody marked is refused where it would be absent (`fill`)."""
    export = read_export(source, annotator)
    if done := [row for _, row in export.rows if row is not None]:
        _find("columns", others, (column for row in done for column in row), source, "name theirs by --map ours=theirs")
        _find_topics(export, topics, source, fill)
    elif annotator and export.people:
        people = ", ".join(export.people)
        raise InputError(
            f"expected annotations by {annotator} in {source}, found those by {people}; choose one of them"
        )
    return [(number, row if row is None else {**dict.fromkeys(topics), **row}) for number, row in export.rows]


def _find_topics(export: Export, topics: Sequence[str], source: Path, fill: bool) -> None:
    """Raises InputError where no control is a topic's, or where `fill` and one lacks; else a line names those."""
    lacking = [topic for topic in topics if topic not in export.controls]
    if fill or len(lacking) == len(topics):
        advice = "name theirs by --map ours=theirs" + (", or leave --missing-is-absent out" if fill else "")
        _find("controls", topics, export.controls, source, advice)
    elif lacking:
        print(f"nobody marked {', '.join(lacking)} in {source}, only {', '.join(export.controls)}: left without labels")


def _find(what: str, wanted: Sequence[str], found: Iterable[str], source: Path, advice: str) -> None:
    """Raises InputError for what is wanted and nowhere."""
    there = dict.fromkeys(found)
    if lacking := [name for name in wanted if name not in there]:
        among = f"no {', '.join(lacking)} among {', '.join(map(str, there))}" if there else "none"
        raise InputError(f"expected the {what} {', '.join(wanted)} in {source}, found {among}; {advice}")


def _tags(row: Row, topics: Sequence[str], where: str) -> Row:
    """A doccano row with its `topic/label` tags as columns; other rows as they are."""
    name = next((name for name in ("label", "labels") if isinstance(row.get(name), list)), None)
    if name is None:
        return row
    columns: Row = dict.fromkeys(topics)
    for tag in row[name]:
        topic, _, label = str(tag).partition("/")
        if topic not in columns or columns[topic] is not None:
            raise InputError(
                f"expected tags topic/label with one for each of {', '.join(topics)} in {where}, "
                f"found {', '.join(map(str, row[name]))}; mend them, or name their topics by --map"
            )
        columns[topic] = label
    return {**{key: value for key, value in row.items() if key != name}, **columns}
