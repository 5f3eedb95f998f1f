"""The parts of the corpus, read row by row; what is wrong with a row is left for train.corpus.problems to name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train.data import HYDRATED, first_filled, split_of_row, story_of
from wijha.errors import InputError
from wijha.records import read_rows
from wijha.schema import Schema
from wijha.text import key
from wijha.writing import Row

PARTS = ("written", "challenge", "annotated")
REAL = "real news"
APART = ("challenge", REAL)
"""Parts that are in no split."""


@dataclass(frozen=True)
class Sentence:
    """One row of a part; the annotated part has its key for certain, its text only once it is hydrated."""

    id: str
    part: str
    key: str
    text: str | None
    labels: dict[str, Any]
    story: str
    readers: tuple[str, ...] = ()
    """What each reader chose, one character a topic: the label's first letter, `-` for the absent one."""
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def split(self) -> str:
        """Where a run puts it; the challenge and the real news are kept apart from every split."""
        return self.part if self.part in APART else split_of_row(self.fields, self.story)

    @property
    def name(self) -> str:
        """How problems call it."""
        return f"{self.part} {self.id}"


def part_file(folder: Path, part: str) -> Path:
    """Where a part lies."""
    return folder / f"{part}.jsonl"


def read_corpus(folder: Path, schema: Schema) -> list[Sentence]:
    """Every sentence of the parts that are in `folder`, in order. Raises InputError when there is none."""
    texts = _hydrated(folder / HYDRATED.name)
    found = []
    for part in PARTS:
        if part_file(folder, part).exists():
            for number, row in read_rows(part_file(folder, part)):
                found.append(_sentence(row, f"{part}-{number}", part, schema, texts))
    if not found:
        raise InputError(f"expected {', '.join(PARTS)} .jsonl files in {folder}, found no sentence; check --data")
    return found


def read_real_news(path: Path, schema: Schema) -> list[Sentence]:
    """The held-out real sentences, as sentences of a part of their own; none where the file is not there."""
    rows = read_rows(path) if path.exists() else ()
    return [_sentence(row, str(number), REAL, schema, {}) for number, row in rows]


def _hydrated(path: Path) -> dict[str, str]:
    rows: Iterable[tuple[int, Row]] = read_rows(path) if path.exists() else ()
    return {str(row.get("key")): str(row.get("text")) for _, row in rows}


def _sentence(row: Row, name: str, part: str, schema: Schema, texts: dict[str, str]) -> Sentence:
    text = texts.get(str(row.get("key"))) if part == "annotated" else str(row.get("text") or "")
    own = str(first_filled(row.get("key"), key(text or "")))
    known = {"id", "key", "text", "story", "readers", *schema.topic_names}
    return Sentence(
        id=str(first_filled(row.get("id"), row.get("key"), name)),
        part=part,
        key=own,
        text=text,
        labels={topic: row.get(topic) for topic in schema.topic_names},
        story=story_of(row, own),
        readers=tuple(str(code) for code in row.get("readers") or () if code),
        fields={name: value for name, value in row.items() if name not in known},
    )
