"""A model's outputs on labelled sentences: what everything in the report is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from train.data import Example, file_sha256, label_numbers, load_examples
from train.evaluation import REAL_NEWS, run_splits
from train.scores import cell_counts, exact_rows
from wijha.classifier import Classifier, read_settings
from wijha.errors import InputError
from wijha.schema import Schema


@dataclass(frozen=True)
class Labelled:
    """The sentences that a report is about, and where they came from."""

    name: str
    """`validation`, `test` ... as in the name of evaluation-<name>.json."""
    source: str
    """sha256 of the file, or `test split`."""
    note: str
    """A sentence for the reader."""
    examples: Sequence[Example]


@dataclass(frozen=True)
class Scored:
    """What a model says of labelled sentences."""

    schema: Schema
    examples: Sequence[Example]
    true: np.ndarray
    """Label numbers, shape (sentences, topics); -100 where there is none."""
    logits: np.ndarray
    """Raw outputs, shape (sentences, topics, labels)."""
    temperatures: np.ndarray
    """One a topic."""

    @cached_property
    def raw(self) -> np.ndarray:
        """Probabilities before calibration, shape (sentences, topics, labels)."""
        return np.asarray(softmax(self.logits, axis=-1))

    @cached_property
    def calibrated(self) -> np.ndarray:
        """Probabilities as the classifier gives them, shape (sentences, topics, labels)."""
        return np.asarray(softmax(self.logits / self.temperatures[None, :, None], axis=-1))

    @cached_property
    def predicted(self) -> np.ndarray:
        """Label numbers, shape (sentences, topics)."""
        return np.asarray(self.logits.argmax(axis=-1))

    @cached_property
    def counts(self) -> np.ndarray:
        """Confusions of every sentence: see train.scores.cell_counts."""
        return cell_counts(self.predicted, self.true, len(self.schema.labels))

    @cached_property
    def right(self) -> np.ndarray:
        """Whether all labels of a sentence are right, shape (sentences,)."""
        return exact_rows(self.counts).astype(bool)

    @cached_property
    def wrong_cells(self) -> np.ndarray:
        """Whether a topic's label is wrong, shape (sentences, topics)."""
        return (self.true >= 0) & (self.true != self.predicted)

    @property
    def stories(self) -> list[str]:
        """The group of each sentence: what the bootstrap draws."""
        return [example.story for example in self.examples]


def labelled_sentences(folder: Path, file: Path | None, schema: Schema) -> Labelled:
    """`file`, else the real news beside the checkout, else the test split of the model's own data."""
    path = file or (REAL_NEWS if REAL_NEWS.exists() else None)
    if path:
        examples = load_examples(path, schema)
        kind = "real news that no training saw" if path == REAL_NEWS else "the file that was named"
        return Labelled(path.stem, file_sha256(path), f"Scored on {path.name}: {kind}.", examples)
    examples = run_splits(folder, schema)["test"]
    if not examples:
        raise InputError(
            "expected labelled sentences to report on, found none: the model's training data is not here; "
            "pass --data FILE"
        )
    return Labelled("test", "test split", f"{REAL_NEWS.name} is not here: scored on the test split.", examples)


def score_sentences(classifier: Classifier, examples: Sequence[Example]) -> Scored:
    """Run the model once over the sentences."""
    schema = classifier.schema
    temperatures: dict[str, Any] = read_settings(classifier.folder).get("temperatures", {})
    return Scored(
        schema,
        examples,
        label_numbers(examples, schema),
        classifier.logits([example.text for example in examples]),
        np.array([temperatures.get(name, 1.0) for name in schema.topic_names]),
    )
