"""The pure part: rows or a table in, the same with topics and stances out. Every engine computes with this."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from wijha.batching import windows
from wijha.chunks import text_fault
from wijha.classifier import Classifier, Read
from wijha.schema import SCORE, STANCE, Schema
from wijha.writing import Row


def added_columns(schema: Schema) -> list[str]:
    """Names of the columns that come behind those of the input: `<topic>_stance`, `<topic>_score`."""
    return [name + kind for name in schema.topic_names for kind in (STANCE, SCORE)]


def computed(read: list[Read], classifier: Classifier) -> np.ndarray:
    """Raw outputs for any number of tokenised texts, a window at a time: shape (texts, topics, labels)."""
    return np.concatenate([classifier.logits_of(window) for window in windows(read)] or [classifier.logits_of([])])


def named(logits: np.ndarray, classifier: Classifier) -> Iterator[dict[str, Any]]:
    """The added columns of each row, in order: label and calibrated probability of each topic."""
    names, labels = classifier.schema.topic_names, classifier.schema.label_names
    probabilities = classifier.calibrated(logits)
    best, score = probabilities.argmax(axis=-1), probabilities.max(axis=-1)
    for numbers, values in zip(best.tolist(), score.tolist(), strict=True):
        found = {}
        for name, number, value in zip(names, numbers, values, strict=True):
            found[name + STANCE] = labels[number]
            found[name + SCORE] = round(value, 4)
        yield found


def classify_table(table: pa.Table, classifier: Classifier, column: str = "text") -> pa.Table:
    """The table with the added columns; they are null where a row has no text. Rows keep number and order.

    Raises KeyError when there is no such column.
    """
    texts = table[column].to_pylist()
    good = [number for number, text in enumerate(texts) if text_fault({column: text}, column) is None]
    rows: list[Row] = [{} for _ in texts]
    logits = computed(classifier.read([texts[i] for i in good]), classifier)
    for number, found in zip(good, named(logits, classifier), strict=True):
        rows[number] = found
    for name in added_columns(classifier.schema):
        kind = pa.string() if name.endswith(STANCE) else pa.float64()
        values = pa.array([row.get(name) for row in rows], type=kind)
        place = table.column_names.index(name) if name in table.column_names else -1
        table = table.append_column(name, values) if place < 0 else table.set_column(place, name, values)
    return table
