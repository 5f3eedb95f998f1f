"""Labelled rows -> checked examples -> splits by story -> tokenised datasets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from wijha.chunks import SPANNING
from wijha.errors import InputError
from wijha.records import read_rows, sound_records
from wijha.schema import Schema
from wijha.text import key
from wijha.writing import Row

UNLABELLED = -100  # what cross_entropy leaves out
SPLITS = ("train", "development", "test")
WRITTEN, CHALLENGE = Path("data/written.jsonl"), Path("data/challenge.jsonl")
ANNOTATED, HYDRATED = Path("data/annotated.jsonl"), Path("data/annotated.local.jsonl")
"""Labels of real sentences by their keys, and the same rows with their text, which train.hydrate finds."""
TARGETS, TARGETS_HYDRATED = Path("data/targets.jsonl"), Path("data/targets.local.jsonl")
"""Stances of real sentences towards targets of all kinds, by their keys, and the same rows with their text."""
REAL_NEWS = Path("../shared/real_news/validation.jsonl")
"""Real labelled news beside the checkout, on which every model is scored where it is there; never trained on."""
READINGS = Path("data/real_news")
"""What two other readers said of it: labels by id."""
_SHARES = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Example:
    """One labelled sentence; a topic that its row leaves empty has the label None and trains nothing."""

    id: str
    text: str
    labels: dict[str, str | None]
    story: str
    """Sentences of one event or document share a story: they are never on both sides of a split; see `story_of`."""
    fields: dict[str, str]
    """The row's other columns: form, line, outlet, date ..."""


def load_examples(path: Path, schema: Schema, unlabelled: bool = False) -> list[Example]:
    """Read a labelled .jsonl, .csv or .parquet file; `text`, one column a topic, others by data/README.md.

    Rows without any label are left out, which a line says, or kept where `unlabelled` ones are wanted too; empty rows
    are passed over.
    Raises InputError that names file and line of the first row without text or with an unknown label, and how many more
    there are; and for a file without labels.
    """
    rows, problems = list[Example](), list[InputError]()
    for number, row in filled_rows(path):
        try:
            rows.append(_example(row, number, path, schema))
        except InputError as error:
            problems.append(error)
    if problems:
        more = f" (and {len(problems) - 1:,} more rows)" if len(problems) > 1 else ""
        raise InputError(f"{problems[0]}{more}")
    examples = [row for row in rows if unlabelled or any(row.labels.values())]
    if not examples:
        raise InputError(f"expected labelled rows in {path}, found none; see data/README.md for the format")
    if left := len(rows) - len(examples):
        print(f"{path}: {left:,} of {len(rows):,} rows have no label and are left out", flush=True)
    return examples


def filled_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """As `wijha.records.read_rows`, but passes over rows in which every cell is empty: spreadsheets end with some.

    Raises InputError for a row over so many lines that a quote must be open.
    """
    for record in sound_records(path):
        number, row = record.number, record.row
        if record.lines > SPANNING:
            raise InputError(
                f"expected a row of few lines in {path} line {number}, found {record.lines:,}; close its quote"
            )
        if not row or not all(map(is_empty, row.values())):
            yield number, row


def keyed_rows(path: Path) -> Iterator[Row]:
    """The rows of a file of labels by the keys of their sentences. Raises InputError for the first without a key."""
    for number, row in read_rows(path):
        if not row.get("key"):
            raise InputError(f"expected a key in {path} line {number}, found none; take the file of data/ as it is")
        yield row


def has_topics(path: Path, schema: Schema) -> bool:
    """Whether the first row of a file has, for every topic of the schema, a label of the schema or none."""
    _, row = next(filled_rows(path), (0, {}))
    return all(
        topic in row and (is_empty(row[topic]) or stripped(row[topic]) in schema.label_names)
        for topic in schema.topic_names
    )


def is_empty(value: object) -> bool:
    """Whether a cell holds nothing, or white space."""
    return value is None or (isinstance(value, str) and not value.strip())


def first_filled(*values: object) -> object:
    """The first value that is not empty (0 is not); None where all are."""
    return next((value for value in values if not is_empty(value)), None)


def stripped(value: object) -> object:
    """A text without the white space around it; anything else as it is."""
    return value.strip() if isinstance(value, str) else value


def _example(row: dict[str, object], number: int, path: Path, schema: Schema) -> Example:
    if missing := [name for name in ("text", *schema.topic_names) if name not in row]:
        raise InputError(
            f"expected the columns text, {', '.join(schema.topic_names)} in {path} line {number}, "
            f"found no {', '.join(missing)} among {', '.join(map(repr, row))}; rename or add them"
        )
    text = row["text"]
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"expected a text in {path} line {number}, got {text!r}; drop the row")
    labels = _labels(row, number, path, schema)
    name = str(first_filled(row.get("id"), f"{path.stem}-{number}"))
    reserved = {"id", "text", "story", *schema.topic_names}
    fields = {column: str(value) for column, value in row.items() if column not in reserved and value is not None}
    return Example(name, text, labels, story_of(row, key(text)), fields)


def _labels(row: Mapping[str, object], number: int, path: Path, schema: Schema) -> dict[str, str | None]:
    labels: dict[str, str | None] = {}
    for topic in schema.topic_names:
        value = stripped(row.get(topic))
        if is_empty(value):
            labels[topic] = None
        elif value in schema.label_names:
            labels[topic] = str(value)
        else:
            raise InputError(
                f"expected one of {', '.join(schema.label_names)} or nothing as {topic} "
                f"in {path} line {number}, got {value!r}; mend the label or the schema"
            )
    return labels


def read_reading(path: Path, examples: Sequence[Example], schema: Schema) -> np.ndarray:
    """Label numbers, shape (examples, topics), that another reader gave these sentences, matched by id; a text is not
    needed. Raises InputError where the file lacks a sentence or has it twice, or leaves a topic of one open."""
    rows: dict[str, dict[str, str | None]] = {}
    for number, row in filled_rows(path):
        if (name := str(row.get("id"))) in rows:
            raise InputError(f"expected each id once in {path}, found {name} again in line {number}; keep one row")
        rows[name] = _labels(row, number, path, schema)
    if lacking := [example.id for example in examples if None in rows.get(example.id, {None: None}).values()]:
        raise InputError(
            f"expected a label of every topic for all {len(examples):,} sentences in {path}, matched by id, found "
            f"{len(lacking):,} without, {lacking[0]} the first; label them, or score those alone that it has"
        )
    return label_numbers([replace(example, labels=rows[example.id]) for example in examples], schema)


def story_of(row: Mapping[str, object], own: str) -> str:
    """The story of a row. One that names none is a story by itself, by its id or else by `own`, the key of its text, so
    that no other row moves it."""
    return str(first_filled(row.get("story"), row.get("group"), row.get("id"), own))


def split_of_row(row: Mapping[str, object], story: str) -> str:
    """What a row's column `split` says, which may be none of ours; where it is empty, `split_of` its story."""
    return str(first_filled(row.get("split"), split_of(story)))


def split_of(story: str) -> str:
    """train, development or test, from the story's name alone: the same in every run and on every machine."""
    point = _point(story)
    return SPLITS[0] if point < _SHARES[0] else SPLITS[1] if point < _SHARES[0] + _SHARES[1] else SPLITS[2]


def _point(name: str) -> float:
    """A number in [0, 1) that a name always gets."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def split(examples: Iterable[Example], share: float = 1.0) -> dict[str, list[Example]]:
    """Examples by split, each in the order given; a column `split` of the data wins over the story's hash.

    Of each split only that share of its stories; a smaller share is part of every larger one.

    Raises InputError for a `split` that is none of ours.
    """
    parts: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for example in examples:
        name = split_of_row(example.fields, example.story)
        if name not in parts:
            raise InputError(f"expected {', '.join(SPLITS)} as split of {example.id}, got {name!r}; mend or empty it")
        if _point(f"share {example.story}") < share:
            parts[name].append(example)
    return parts


def learned_too(held_out: Iterable[Example], train: Iterable[Example]) -> int:
    """How many of these sentences, by their normalised text, are among those that are trained on."""
    known = {key(example.text) for example in train}
    return sum(key(example.text) in known for example in held_out)


def label_numbers(examples: Sequence[Example], schema: Schema) -> np.ndarray:
    """Label numbers, shape (examples, topics); UNLABELLED where a topic has none."""
    number = {None: UNLABELLED} | {name: index for index, name in enumerate(schema.label_names)}
    rows = [[number[example.labels[topic]] for topic in schema.topic_names] for example in examples]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(schema.topics))


def encode(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, schema: Schema, length: int) -> Dataset:
    """A dataset of input_ids, attention_mask and `labels` (one label number a topic)."""
    texts = [example.text for example in examples]
    return tokenised(texts, label_numbers(examples, schema).tolist(), tokenizer, length)


def tokenised(texts: list[str], labels: list[list], tokenizer: PreTrainedTokenizerBase, length: int) -> Dataset:
    """Texts, cut at `length` tokens, beside what is learned of them."""
    encoded = tokenizer(texts, truncation=True, max_length=length)
    columns = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
    return Dataset.from_dict(columns | {"labels": labels})
