"""Our sentences out to annotation tools, and what those tools must know of the schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from train.corpus.formats import SOURCE_ID
from train.data import first_filled
from wijha.errors import InputError
from wijha.files import write_json, write_text
from wijha.records import read_rows
from wijha.schema import Schema
from wijha.text import key
from wijha.writing import Row, write_rows


def export_file(source: Path, output: Path, schema: Schema, kind: str, with_labels: bool = False) -> int:
    """Write tasks for annotation, and beside them what the tool must know of the schema; returns how many.

    Labels stay out unless `with_labels`: who sees them does not read for himself.
    """
    rows = []
    for number, row in read_rows(source):
        if not str(row.get("text") or "").strip():
            raise InputError(f"expected a text in {source} line {number}, found {row.get('text')!r}; drop the row")
        name = str(first_filled(row.get("id"), f"{source.stem}-{number}"))
        hidden = {"id", "readers", *schema.topic_names}
        data = {SOURCE_ID: name, **{column: value for column, value in row.items() if column not in hidden}}
        if first_filled(*(row.get(column) for column in ("id", "story", "group"))) is None:
            data["story"] = key(str(row["text"]))  # by which it is split; the name made up here must not be
        labels = {topic: row[topic] for topic in schema.topic_names if row.get(topic)} if with_labels else {}
        rows.append((data, labels))
    if not rows:
        raise InputError(f"expected sentences in {source}, found none; name another file")
    beside = WRITERS[kind](rows, output, schema)
    print(f"{len(rows):,} tasks -> {output}, set-up -> {beside}")
    return len(rows)


Tasks = Sequence[tuple[Row, dict[str, str]]]


def _write_label_studio(rows: Tasks, output: Path, schema: Schema) -> Path:
    if output.suffix != ".json":
        raise InputError(f"expected a .json output for Label Studio, found {output.name}; rename it")
    tasks = []
    for data, labels in rows:
        result = [
            {"from_name": topic, "to_name": "text", "type": "choices", "value": {"choices": [label]}}
            for topic, label in labels.items()
        ]
        tasks.append({"data": data, **({"annotations": [{"result": result}]} if result else {})})
    write_text(output, json.dumps(tasks, indent=1, ensure_ascii=False, default=str) + "\n")
    beside = output.with_suffix(".xml")
    write_text(beside, label_studio_config(schema))
    return beside


def label_studio_config(schema: Schema) -> str:
    """The labelling interface: right to left, one block of choices a topic, in Arabic; results carry our names."""
    view = ElementTree.Element("View", style="direction: rtl; text-align: right")
    ElementTree.SubElement(view, "Text", name="text", value="$text")
    for topic in schema.topics:
        ElementTree.SubElement(view, "Header", value=topic.arabic or topic.english or topic.name)
        block = ElementTree.SubElement(
            view, "Choices", name=topic.name, toName="text", choice="single-radio", showInline="true", required="true"
        )
        for label in schema.labels:
            ElementTree.SubElement(block, "Choice", value=label.arabic or label.name, alias=label.name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _write_doccano(rows: Tasks, output: Path, schema: Schema) -> Path:
    if output.suffix != ".jsonl":
        raise InputError(f"expected a .jsonl output for doccano, found {output.name}; rename it")
    write_rows(
        ({**data, "label": [f"{topic}/{label}" for topic, label in labels.items()]} for data, labels in rows), output
    )
    beside = output.with_suffix(".labels.json")
    write_json(beside, [{"text": name} for name in schema.id2label.values()])
    return beside


WRITERS: dict[str, Callable[[Tasks, Path, Schema], Path]] = {
    "label-studio": _write_label_studio,
    "doccano": _write_doccano,
}
