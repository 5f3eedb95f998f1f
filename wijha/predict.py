"""A file of texts in, the same rows with topics and stances out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from wijha.batching import windows
from wijha.classifier import Classifier
from wijha.errors import InputError
from wijha.records import Row, read_rows, write_rows
from wijha.text import sentences


def predict_file(
    source: Path, target: Path, classifier: Classifier, column: str = "text", articles: bool = False
) -> int:
    """Classify every row of `source` into `target`; returns the number of rows written.

    The columns of the input stay; `<topic>_stance` and `<topic>_score` come behind them. With `articles` each row is
    split into sentences and gains `document` and `sentence`. Raises InputError before anything is written over.
    """
    rows = checked(source, column)
    if articles:
        rows = split_articles(rows, column)
    return write_rows(classified(not_empty(rows, source), classifier, column), target)


def checked(source: Path, column: str) -> Iterator[Row]:
    """The rows of a file, each with a text in `column`."""
    for number, row in read_rows(source):
        if column not in row:
            known = ", ".join(map(str, row))
            raise InputError(f"expected a column {column!r} in {source}, found {known}; pass --text-column NAME")
        if not isinstance(row[column], str):
            raise InputError(f"expected a text in {source} line {number}, got {row[column]!r}; mend or drop the row")
        yield row


def not_empty(rows: Iterable[Row], source: Path) -> Iterator[Row]:
    """The rows; InputError when there is none."""
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise InputError(f"expected rows with text in {source}, found none; check the file")


def split_articles(rows: Iterable[Row], column: str) -> Iterator[Row]:
    """One row a sentence; `document` is the row's id or its number, `sentence` counts from 0 within it."""
    for number, row in enumerate(rows, 1):
        document = row.get("id", number)
        for place, sentence in enumerate(sentences(row[column])):
            yield {**row, column: sentence, "document": document, "sentence": place}


def classified(rows: Iterable[Row], classifier: Classifier, column: str) -> Iterator[Row]:
    """The rows with label and calibrated probability of each topic."""
    names, labels = classifier.schema.topic_names, classifier.schema.label_names
    for window in windows(rows):
        probabilities = classifier.probabilities([row[column] for row in window])
        best, score = probabilities.argmax(axis=-1), probabilities.max(axis=-1)
        for row, numbers, values in zip(window, best.tolist(), score.tolist(), strict=True):
            result = dict(row)
            for name, number, value in zip(names, numbers, values, strict=True):
                result[f"{name}_stance"] = labels[number]
                result[f"{name}_score"] = round(value, 4)
            yield result
