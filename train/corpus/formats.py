"""Labelled rows of other newsrooms and of annotation tools into our JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from train.corpus.problems import refuse
from wijha.errors import InputError
from wijha.records import Row, read_rows, write_rows
from wijha.schema import Schema
from wijha.text import key

_OWN = ("id", "text", "story", "outlet", "date")
SOURCE_ID = "source_id"  # the tools number their tasks anew under `id`
Pairs = Sequence[tuple[str, str]]


def pairs(option: str, name: str) -> list[tuple[str, str]]:
    """`a=b,c=d` as [("a", "b"), ("c", "d")]."""
    found = [tuple(part.partition("=")[::2]) for part in option.split(",") if part]
    if wrong := [ours for ours, theirs in found if not ours or not theirs]:
        raise InputError(f"expected {name} ours=theirs,ours=theirs, found {wrong[0]!r} without a partner; add it")
    return found


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
    Raises InputError naming every line that cannot be read.
    """
    names = _column_names(columns, schema)
    known = _label_names(labels, schema)
    if output.suffix != ".jsonl":
        raise InputError(f"expected a .jsonl output, found {output.name}; rename it")
    topics = [names.get(topic, topic) for topic in schema.topic_names]
    rows, problems, undone = [], [], 0
    for number, row in _rows(source, topics, annotator):
        try:
            made = row and _imported(row, f"{source.stem}-{number}", names, known, schema, missing_is_absent)
        except InputError as error:
            problems.append(f"line {number}: {error}")
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
        raise InputError(f"expected --map of {', '.join(ours)}, found {', '.join(unknown)}; put our name before the =")
    return dict(columns)


def _label_names(labels: Pairs, schema: Schema) -> dict[str, str]:
    """What a label may be called -> the label: its name, its Arabic name, theirs."""
    if unknown := [name for name, _ in labels if name not in schema.label_names]:
        raise InputError(
            f"expected --labels of {', '.join(schema.label_names)}, found {', '.join(unknown)}; "
            "put our name before the ="
        )
    own = {label.arabic: label.name for label in schema.labels} | {name: name for name in schema.label_names}
    return own | {theirs: ours for ours, theirs in labels}


def _imported(
    row: Row, name: str, columns: Mapping[str, str], known: Mapping[str, str], schema: Schema, fill: bool
) -> Row:
    if lost := [theirs for theirs in columns.values() if theirs not in row]:
        raise InputError(f"no column {', '.join(lost)}, only {', '.join(map(str, row))}")
    rest = {theirs: value for theirs, value in row.items() if theirs not in columns.values()}
    row = {**rest, **{ours: row[theirs] for ours, theirs in columns.items()}}
    if not isinstance(row.get("text"), str) or not row["text"].strip():
        raise InputError(f"no text in its columns {', '.join(map(str, row))}")
    if not fill and not set(schema.topic_names) & set(row):
        raise InputError(
            f"none of the topics {', '.join(schema.topic_names)} in its columns {', '.join(map(str, row))}"
        )
    labels = {topic: _label(row.pop(topic, None), topic, known, schema, fill) for topic in schema.topic_names}
    theirs = row.get(SOURCE_ID) or row.get("id")
    own = {"id": str(theirs or name), "text": row["text"].strip(), **labels}
    if not (theirs or row.get("story") or row.get("group")):
        own["story"] = key(own["text"])  # a line number would move the row between splits
    return own | {column: value for column, value in row.items() if column not in (*own, SOURCE_ID)}


def _label(value: Any, topic: str, known: Mapping[str, str], schema: Schema, fill: bool) -> str | None:
    value = value.strip() if isinstance(value, str) else value
    if value in (None, ""):
        return schema.absent if fill else None
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{topic} is {value!r}, not one of {', '.join(filter(None, known))}")
    return known[value]


def _rows(source: Path, topics: Sequence[str], annotator: str) -> Iterator[tuple[int, Row | None]]:
    """(line or task number, row) of a table, a doccano JSONL or a Label Studio JSON; None for a task not done.

    `topics` are the names of the topics there.
    """
    if source.suffix != ".json":
        yield from ((number, _tags(row, topics, f"{source} line {number}")) for number, row in read_rows(source))
        return
    try:
        tasks = json.loads(source.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected a Label Studio JSON export at {source}, found {error}; export it again") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise InputError(f"expected a list of tasks in {source}, found something else; export it as JSON or JSON-MIN")
    for number, task in enumerate(tasks, 1):
        row = _task_row(task, f"task {number} of {source}", annotator) if "data" in task else task
        yield number, None if row is None else {**dict.fromkeys(topics), **row}


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


def _task_row(task: Row, where: str, annotator: str) -> Row | None:
    """Data and choices of a task, which has one annotation, or one by the annotator asked for; None without."""
    done = [one for one in task.get("annotations") or [] if not one.get("was_cancelled")]
    chosen = [one for one in done if annotator in ("", *_identities(one.get("completed_by")))]
    if len(chosen) > 1:
        people = sorted({_identities(one.get("completed_by"))[0] for one in chosen})
        raise InputError(
            f"expected one annotation in {where}, found {len(chosen)} by {', '.join(people)}; choose with --annotator"
        )
    if not chosen:
        return None
    row = dict(task["data"])
    for result in chosen[0].get("result") or []:
        if choices := (result.get("value") or {}).get("choices"):
            row[result["from_name"]] = " + ".join(choices)
    return row


def _identities(person: Any) -> list[str]:
    """How `completed_by` may be called: a number, or a number, an address and a name."""
    known = [person.get(key) for key in ("email", "id", "username")] if isinstance(person, dict) else [person]
    return [str(one) for one in known if one is not None] or ["unknown"]
