"""A model's outputs on labelled sentences: what everything in the report is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import softmax

from train.data import Example, label_numbers
from train.scores import cell_counts, exact_rows
from wijha.classifier import Classifier
from wijha.schema import Schema


@dataclass(frozen=True)
class Scored:
    """What a model says of labelled sentences."""

    schema: Schema
    examples: Sequence[Example]
    true: np.ndarray
    """Label numbers, shape (sentences, topics); -100 where there is none."""
    logits: np.ndarray
    """Raw outputs, shape (sentences, topics, labels)."""
    calibrated: np.ndarray
    """Probabilities as the classifier gives them, shape (sentences, topics, labels)."""

    @cached_property
    def raw(self) -> np.ndarray:
        """Probabilities before calibration, shape (sentences, topics, labels)."""
        return np.asarray(softmax(self.logits, axis=-1))

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


def score_sentences(classifier: Classifier, examples: Sequence[Example]) -> Scored:
    """Run the model once over the sentences."""
    schema, logits = classifier.schema, classifier.logits([example.text for example in examples])
    return Scored(schema, examples, label_numbers(examples, schema), logits, classifier.calibrated(logits))
